"""Pure: text that agents and others wrote, made safe to print: it cannot steer a terminal or turn words around."""

from __future__ import annotations

import unicodedata

KEPT = frozenset("\n\t")
UNSAFE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories that a terminal acts upon instead of showing: controls, format characters such as bidirectional overrides."""

JOINERS = frozenset("\u200c\u200d")
"""Format characters that scripts and emoji are written with."""

REPLACEMENT = "\ufffd"


def clean(text: str) -> str:
    """Return the text with every character replaced that would do something to a terminal; it is as long as before."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(REPLACEMENT if _unsafe(char) else char for char in text)


def _unsafe(char: str) -> bool:
    return char not in KEPT and char not in JOINERS and unicodedata.category(char) in UNSAFE
