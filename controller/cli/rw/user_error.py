"""Errors in one line that includes the remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

import click

SUGGESTIONS = 3
"""Number of similar names that are suggested."""

LISTED = 10
"""Maximum number of names in an error if none is similar."""


class Problem(click.ClickException):
    """An error as one line on stderr and, as with kubectl, exit code 1."""

    exit_code = 1

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(f"{message}; {remedy}" if remedy else message)


def did_you_mean(wrong: str, names: Iterable[str], what: str = "there are") -> str:
    """Return a remedy for a name that does not exist: similar names, otherwise all, otherwise nothing."""
    known = sorted(set(names))
    near = difflib.get_close_matches(wrong, known, n=SUGGESTIONS, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(near)}?"
    more = f" and {len(known) - LISTED} more" if len(known) > LISTED else ""
    return f"{what} {', '.join(known[:LISTED])}{more}" if known else ""
