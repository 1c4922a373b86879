"""Reads a ledger and fits a scenario to it, for the commands that simulate."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from controller.ledger.reading import Row, count, read
from controller.simulation.fit import Fit, fit
from controller.simulation.history import Histories


def fit_ledger(url: str) -> Fit:
    """Return what is fitted to all rows of a ledger. Raises BadStore and StoreUnavailable."""
    found, rows = Histories(), count(url)
    with progress("reading", rows) as advance:
        for row in read(url):
            if isinstance(row, Row):
                found.add(row)
            else:
                found.skip()
            advance(1)
    return fit(found)


@contextmanager
def progress(words: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar on stderr if that is a terminal; yield the function that counts."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(words, total=total)
        yield lambda done: bar.advance(task, done)
