"""Pure: makes untrusted text safe to print: it cannot control a terminal or reverse text."""

from __future__ import annotations

import unicodedata

KEPT = frozenset("\n\t")
UNSAFE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories that control a terminal instead of being shown: controls, and format characters such as bidirectional
overrides.
"""

JOINERS = frozenset("\u200c\u200d")
"""Format characters that scripts and emoji need."""

REPLACEMENT = "\ufffd"


def clean(text: str) -> str:
    """Return the text with every unsafe character replaced; its length stays the same."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(REPLACEMENT if _unsafe(char) else char for char in text)


def _unsafe(char: str) -> bool:
    return char not in KEPT and char not in JOINERS and unicodedata.category(char) in UNSAFE
