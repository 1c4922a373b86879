"""Pure: tables whose last column takes what room is left."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text

from controller.cli.rw.text import INDENT, TIGHT, Cell, cut, joined, plain, style_of, wrapped

GAP = "   "
"""Between two columns, as kubectl has it."""


def table(
    header: Sequence[str], rows: Iterable[Sequence[Cell]], width: int | None, indent: str = "", *, fold: bool = False
) -> Text:
    """Return rows under a header, each column as wide as its widest cell; the last takes what is left, and is cut or folded to it.

    A header of empty titles is left out.
    """
    shown = [list(row) for row in rows]
    heads: list[list[Cell]] = [[(title, "bold") for title in header]]
    widths = [max(cell_len(plain(row[at])) for row in heads + shown) for at in range(len(header) - 1)]
    taken = len(indent) + sum(widths) + len(GAP) * len(widths)
    layout = Layout(tuple(widths), None if width is None else width - taken, indent, fold)
    return joined([line(row, layout) for row in (heads if any(header) else []) + shown])


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the cells of a row go: the columns' widths but the last's, and the room that is left for that."""

    widths: tuple[int, ...]
    room: int | None = None
    indent: str = ""
    fold: bool = False

    @property
    def tight(self) -> bool:
        """Whether the last cell goes to a line of its own."""
        return self.room is not None and self.room < TIGHT

    @property
    def start(self) -> int:
        """The column at which the last cell begins."""
        return len(self.indent) + sum(self.widths) + len(GAP) * len(self.widths)


def line(cells: Sequence[Cell], layout: Layout) -> Text:
    """Return one row: every cell but the last padded to its width, the last within the room that is left."""
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
    """The last cell on a line of its own."""
    indent, width = layout.indent + INDENT, layout.start + (layout.room or 0)
    return wrapped(last, width, indent, "dim") if layout.fold else Text(indent + cut(last, width - len(indent)), style="dim")


def _folded(last: str, at: int, layout: Layout) -> str:
    """The last cell on as many lines as it takes, below each other."""
    flat = " ".join(last.split())
    return flat if layout.room is None else wrapped(flat, at + layout.room, " " * at).plain[at:]
