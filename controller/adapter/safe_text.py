"""Pure: text for people, on one line, without control characters and credentials, and cut."""

from __future__ import annotations

from collections.abc import Iterable

DETAIL_LIMIT = 500
"""Characters of a reply's detail."""
SHORTEST_SECRET = 8
"""Characters; shorter values (a flag, a level) are no credentials, and hiding them would hide words."""
HIDDEN = "***"


def clean(text: str, secrets: Iterable[str] = ()) -> str:
    """Return a text as people may see it; `secrets` are hidden in it, the longest first."""
    for secret in sorted((value for value in secrets if len(value) >= SHORTEST_SECRET), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    line = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    return line if len(line) <= DETAIL_LIMIT else f"{line[: DETAIL_LIMIT - 1]}…"
