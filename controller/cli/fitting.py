"""Reads a ledger and fits a scenario to it, for the commands that simulate."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from controller.api.strict_file import FileRefused
from controller.api.timestamps import format_time
from controller.ledger.reading import Row, Selection, count, read
from controller.simulation.fit import Fit, fit
from controller.simulation.history import Histories


def fit_ledger(url: str, since: datetime | None = None) -> Fit:
    """Return what is fitted to the Runs of a ledger, or to those that were created since a time.

    Raises BadStore and StoreUnavailable, and Refused if no Run was created since then.
    """
    selection = Selection(since)
    found, rows = Histories(since), count(url, selection)
    with progress("reading", rows) as advance:
        for row in read(url, selection):
            if isinstance(row, Row):
                found.add(row)
            else:
                found.skip()
            advance(1)
    if since and not found.runs:
        raise FileRefused.of(f"--since {format_time(since)}", "no Run of the ledger was created since: give an earlier time")
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
