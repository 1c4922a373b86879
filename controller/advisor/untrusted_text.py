"""Prepares untrusted texts as data: cleaned, redacted, cut, and inside fences that nothing in them can close."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping

from controller.api.redaction import redact

MAX_READ = 65_536
"""Characters of a text that are processed. The rest of a longer text is cut before any other step."""

NONCE_CHARACTERS = 16
"""Hex digits of the nonce in one prompt's fences."""

MARK_BYTES = 64
"""Maximum size of the mark of a cut."""

_BRACKETS = re.compile(r"[<\uff1c\u2039\u300a]{2,}|[>\uff1e\u203a\u300b]{2,}")
_EDGE = re.compile(r"\s")


def clean(text: str) -> str:
    """Return a text without hidden content: invisible characters are removed, control characters escaped, surrogates replaced."""
    whole = text.replace("\r\n", "\n").encode("utf-8", "replace").decode()
    return "".join(map(_visible, whole))


def _visible(character: str) -> str:
    if character in "\n\t":
        return character
    category = unicodedata.category(character)
    if category in ("Cf", "Co", "Cn") or "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef":
        return ""
    return f"\\u{ord(character):04x}" if category in ("Cc", "Zl", "Zp") else character


def prepare(text: str, limit: int, *, tail: bool = False) -> str:
    """Return a text of at most `limit` bytes for the prompt, with a mark if it was cut. With `tail` its end is kept.

    Secrets are removed before the cut, because the cut could leave a part that is not recognised as a secret.
    """
    whole = redact(clean(_bounded(text, tail=tail)))
    harmless = _BRACKETS.sub(lambda match: " ".join(match.group()), whole)
    return _cut(harmless, limit, max(0, len(text) - MAX_READ), tail=tail)


def _bounded(text: str, *, tail: bool) -> str:
    """Return the part that is processed. It is cut at whitespace, so that no part of a secret is left at its edge."""
    if len(text) <= MAX_READ:
        return text
    if tail:
        part = text[-MAX_READ:]
        edge = _EDGE.search(part)
        return part[edge.start() :] if edge else ""
    part = text[:MAX_READ]
    edges = [match.start() for match in _EDGE.finditer(part)]
    return part[: edges[-1]] if edges else ""


def _cut(text: str, limit: int, unread: int, *, tail: bool) -> str:
    raw = text.encode()
    if len(raw) <= limit and not unread:
        return text
    room = max(0, limit - MARK_BYTES)
    part = (raw[-room:] if tail else raw[:room]).decode("utf-8", "ignore")
    mark = f"[cut: {len(text) - len(part) + unread} characters]"
    return f"{mark}\n{part}" if tail else f"{part}\n{mark}"


def nonce_of(texts: Mapping[str, str]) -> str:
    """Return a nonce that occurs in none of the texts. The same texts give the same nonce."""
    together = "\0".join(f"{name}\0{text}" for name, text in texts.items())
    nonce, turn = _digest(together, 0), 0
    while nonce in together:
        turn += 1
        nonce = _digest(together, turn)
    return nonce


def _digest(text: str, turn: int) -> str:
    return hashlib.sha256(f"{turn}\0{text}".encode()).hexdigest()[:NONCE_CHARACTERS]


def fenced(texts: Mapping[str, str]) -> dict[str, str]:
    """Return prepared texts, each inside its own opening and closing fence."""
    nonce = nonce_of(texts)
    return {name: f"{opening(name, nonce)}\n{text}\n{closing(name, nonce)}" for name, text in texts.items()}


def opening(name: str, nonce: str) -> str:
    """Return the opening fence of a text."""
    return f"<<<UNTRUSTED {name} {nonce}>>>"


def closing(name: str, nonce: str) -> str:
    """Return the closing fence of a text."""
    return f"<<<END {name} {nonce}>>>"
