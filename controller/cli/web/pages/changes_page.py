"""Pure: the changes in a workspace, as `git diff` prints them, in lines that are safe to show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

MOST_LINES = 20_000
"""Maximum lines that are shown, the first ones."""

LONGEST = 4_000
"""Maximum characters of a line; the rest is cut."""

KINDS = {"+": "added", "-": "removed", "@": "hunk"}
"""CSS classes by the first character of a line after a file's head."""


class Line(NamedTuple):
    """A line with its kind, which is a CSS class, empty for what has not changed."""

    kind: str
    text: str


class Changes(NamedTuple):
    """The lines, the number of others that were read, and whether there is more than was read."""

    lines: tuple[Line, ...]
    left_out: int
    cut: bool


def changes_of(out: bytes, *, cut: bool) -> Changes:
    """Return the changes in git's output; `cut` if it is only the first part of it, whose last line may not be whole."""
    found = out.decode(errors="replace").split("\n")
    whole = found[:-1] if not found[-1] or (cut and len(found) > 1) else found
    return Changes(tuple(_lines(whole[:MOST_LINES])), max(0, len(whole) - MOST_LINES), cut)


def _lines(texts: Iterable[str]) -> Iterator[Line]:
    """Yield the lines with their kinds. Each line of a file's content has a sign before it, so that none looks like a head."""
    head = True
    for text in texts:
        head = text.startswith("diff ") or (head and not text.startswith("@@"))
        kind = "file" if head else KINDS.get(text[:1], "")
        yield Line(kind, text if len(text) <= LONGEST else text[: LONGEST - 1] + "…")
