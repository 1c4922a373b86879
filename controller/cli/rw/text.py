"""Pure: lays out text, as wide as the terminal, or as wide as needed if the output is not a terminal.

A width of None is a pipe or a file: nothing is cut or wrapped.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from datetime import datetime, timedelta

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from controller.cli.rw.terminal_safe import clean

Cell = str | tuple[str, str]
"""A text, or a text with its style."""

TIGHT = 24
"""A last column with less room than this goes to its own line."""

INDENT = "  "
MINUTE, HOUR, DAY = 60, 3600, 86400
FEW_DAYS, FEW_HOURS, FEW_MINUTES, FEW_SECONDS = 8 * DAY, 8 * HOUR, 10 * MINUTE, 2 * MINUTE
"""Limits below which a duration also shows the smaller unit, as kubectl's AGE does."""


def span(delta: timedelta) -> str:
    """Return a duration in kubectl's short form: 45s, 3m20s, 2h5m, 3d4h."""
    seconds = max(0, int(delta.total_seconds()))
    if seconds < FEW_SECONDS:
        return f"{seconds}s"
    if seconds < FEW_MINUTES:
        return _pair(seconds, MINUTE, "m", 1, "s")
    if seconds < 3 * HOUR:
        return f"{seconds // MINUTE}m"
    if seconds < FEW_HOURS:
        return _pair(seconds, HOUR, "h", MINUTE, "m")
    if seconds < 2 * DAY:
        return f"{seconds // HOUR}h"
    return _pair(seconds, DAY, "d", HOUR, "h") if seconds < FEW_DAYS else f"{seconds // DAY}d"


def _pair(seconds: int, unit: int, sign: str, smaller: int, its: str) -> str:
    rest = seconds % unit // smaller
    return f"{seconds // unit}{sign}" + (f"{rest}{its}" if rest else "")


def age(moment: datetime | None, now: datetime) -> str:
    """Return a moment's age, `-` for None."""
    return span(now - moment) if moment else "-"


def until(moment: datetime | None, now: datetime) -> str:
    """Return the time until a moment: `in 5m`, `now`, or `never` for None."""
    if moment is None:
        return "never"
    return f"in {span(moment - now)}" if moment > now else "now"


def cut(text: str, width: int | None) -> str:
    """Return a text on one line, cut to the width with an ellipsis."""
    line = " ".join(clean(text).split())
    if width is None or cell_len(line) <= width:
        return line
    return set_cell_size(line, max(0, width - 1)).rstrip() + "…"


def wrapped(text: str, width: int | None, indent: str = "", style: str = "") -> Text:
    """Return an indented text with its lines kept and long ones wrapped."""
    lines: list[str] = []
    for line in clean(text).split("\n"):
        room = None if width is None else max(len(indent) + TIGHT, width)
        parts = textwrap.wrap(line, room, initial_indent=indent, subsequent_indent=indent) if room else [indent + line]
        lines += parts or [""]
    return Text("\n".join(lines), style=style)


def pairs(fields: Iterable[tuple[str, Cell]], width: int | None, indent: str = "") -> Text:
    """Return `Name:  value` lines, the values in one column and wrapped within it; fields without a value are omitted."""
    filled = [(name, value) for name, value in fields if plain(value)]
    column = max((len(name) for name, _ in filled), default=0) + len(":") + len(INDENT)
    lines = []
    for name, value in filled:
        body = wrapped(plain(value), width, indent + " " * column, style_of(value))
        lines.append(Text(f"{indent}{name}:".ljust(len(indent) + column), style="bold").append(body[len(indent) + column :]))
    return joined(lines)


def joined(parts: Iterable[Text], between: str = "\n") -> Text:
    """Return texts below each other; empty ones are omitted."""
    return Text(between).join([part for part in parts if part.plain])


def section(title: str, body: Text) -> Text:
    """Return a body under its title; nothing if the body is empty."""
    return joined([Text(title, style="bold"), body]) if body.plain else Text()


def plain(cell: Cell) -> str:
    """Return a cell's text, cleaned."""
    return clean(cell if isinstance(cell, str) else cell[0])


def style_of(cell: Cell) -> str:
    """Return a cell's style."""
    return "" if isinstance(cell, str) else cell[1]
