"""Pure: tables whose last column gets the remaining width."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text

from controller.cli.rw.text import INDENT, TIGHT, Cell, cut, joined, plain, style_of, wrapped

GAP = "   "
"""Gap between two columns, as in kubectl."""


def table(
    header: Sequence[str], rows: Iterable[Sequence[Cell]], width: int | None, indent: str = "", *, fold: bool = False
) -> Text:
    """Return rows under a header. Each column is as wide as its widest cell; the last gets the remaining width, and is cut or
    folded.

    A header of empty titles is omitted.
    """
    shown = [list(row) for row in rows]
    heads: list[list[Cell]] = [[(title, "bold") for title in header]]
    widths = [max(cell_len(plain(row[at])) for row in heads + shown) for at in range(len(header) - 1)]
    taken = len(indent) + sum(widths) + len(GAP) * len(widths)
    layout = Layout(tuple(widths), None if width is None else width - taken, indent, fold)
    return joined([line(row, layout) for row in (heads if any(header) else []) + shown])


@dataclass(frozen=True, slots=True)
class Layout:
    """The layout of a row: the widths of all columns but the last, and the room for the last one."""

    widths: tuple[int, ...]
    room: int | None = None
    indent: str = ""
    fold: bool = False

    @property
    def tight(self) -> bool:
        """Whether the last cell goes to its own line."""
        return self.room is not None and self.room < TIGHT

    @property
    def start(self) -> int:
        """The column at which the last cell begins."""
        return len(self.indent) + sum(self.widths) + len(GAP) * len(self.widths)


def line(cells: Sequence[Cell], layout: Layout) -> Text:
    """Return one row: every cell but the last is padded to its width, the last is cut or folded to its room."""
    text = Text(layout.indent)
    for cell, width in zip(cells, layout.widths, strict=False):
        words = plain(cell)
        text.append(words, style=style_of(cell)).append(" " * (width - cell_len(words)) + GAP)
    last, style = plain(cells[len(layout.widths)]), style_of(cells[len(layout.widths)])
    if layout.tight and last:
        text.rstrip()
        return text if style == "bold" else text.append("\n").append(_below(last, layout))
    at = layout.start
    text.append(_folded(last, at, layout) if layout.fold else cut(last, layout.room), style=style)
    text.rstrip()
    return text


def _below(last: str, layout: Layout) -> Text:
    """Return the last cell on its own line."""
    indent, width = layout.indent + INDENT, layout.start + (layout.room or 0)
    return wrapped(last, width, indent, "dim") if layout.fold else Text(indent + cut(last, width - len(indent)), style="dim")


def _folded(last: str, at: int, layout: Layout) -> str:
    """Return the last cell, folded into as many lines as it needs."""
    flat = " ".join(last.split())
    return flat if layout.room is None else wrapped(flat, at + layout.room, " " * at).plain[at:]
