"""Scenes of the docs: a block of a page in which a user types `kubectl rw` commands and sees their output.

The page must show the real output, except for data that differs between any two clusters: times, ages, and the hashes at the end of
names.
"""

from __future__ import annotations

import re
import shlex
from typing import NamedTuple

from tests.plugin import Plugin

PROMPT = "$ kubectl rw "
OF_THE_MOMENT = (
    (re.compile(r"\d{4}-\d\d-\d\d"), "DATE"),
    (re.compile(r"\b\d\d:\d\d(:\d\d)?\b"), "TIME"),
    (re.compile(r"(?<![\w-])(\d+[dhms])+\b"), "AGE"),
    (re.compile(r"-[0-9a-f]{8}\b"), "-HASH"),
    (re.compile(r" -n t-\w+"), ""),
    (re.compile(r"(Namespace: +)t-\w+"), r"\1default"),
    (re.compile(r"[ \n]+"), " "),
)
CUT = "…"


class Line(NamedTuple):
    """A command, as words, and its output on the page."""

    words: list[str]
    shown: str


def lines_of(block: str) -> list[Line]:
    """Return a scene's commands with their outputs."""
    parts = [part.partition("\n") for part in block.replace("\\\n", "").split(PROMPT) if part]
    return [Line(shlex.split(command), shown) for command, _, shown in parts]


def is_as_shown(line: Line, printed: str) -> None:
    """Compare a command's output with the page's, where a page's table is as narrow as a terminal."""
    expected, found = rows(line.shown), rows(printed)
    assert len(found) == len(expected), f"{' '.join(line.words)}\n{printed}"
    for wanted, row in zip(expected, found, strict=True):
        assert row.startswith(wanted.rstrip(CUT)) if wanted.endswith(CUT) else row == wanted, f"{' '.join(line.words)}\n{printed}"


def rows(text: str) -> list[str]:
    """Return the lines of a text without volatile data; folded ones as one."""
    return [whole(row) for row in re.split(r"\n(?! {12})", text.strip())]


def whole(row: str) -> str:
    """Return a line without volatile data."""
    for pattern, instead in OF_THE_MOMENT:
        row = pattern.sub(instead, row)
    return row.strip()


def play(rw: Plugin, block: str) -> None:
    """Run a scene's commands one after the other; each prints the page's output."""
    for line in lines_of(block):
        is_as_shown(line, rw(*line.words).output)
