"""Makes text safe for people: one line of limited length, without control characters and credentials. Pure."""

from __future__ import annotations

from collections.abc import Iterable

DETAIL_LIMIT = 500
"""Maximum characters of a reply's detail."""
SHORTEST_SECRET = 8
"""Minimum characters of a secret. Shorter values (a flag, a level) are not credentials, and hiding them would hide words."""
HIDDEN = "***"


def clean(text: str, secrets: Iterable[str] = ()) -> str:
    """Return a text that is safe to show. `secrets` are hidden in it, the longest first."""
    for secret in sorted((value for value in secrets if len(value) >= SHORTEST_SECRET), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    line = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    return line if len(line) <= DETAIL_LIMIT else f"{line[: DETAIL_LIMIT - 1]}…"
