"""What goes wrong, in one line that says what to do about it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

import click

SUGGESTIONS = 3
"""Names that are offered for one that does not exist."""

LISTED = 10
"""Names that an error lists where none is near."""


class Problem(click.ClickException):
    """A line for stderr and, as with kubectl, exit code 1."""

    exit_code = 1

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(f"{message}; {remedy}" if remedy else message)


def did_you_mean(wrong: str, names: Iterable[str], what: str = "there are") -> str:
    """Return a remedy for a name that does not exist: the nearest ones, else all, else nothing."""
    known = sorted(set(names))
    near = difflib.get_close_matches(wrong, known, n=SUGGESTIONS, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(near)}?"
    more = f" and {len(known) - LISTED} more" if len(known) > LISTED else ""
    return f"{what} {', '.join(known[:LISTED])}{more}" if known else ""
