"""`runwatchman replay`: decides again in every situation of a ledger."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

import click

from controller.api.timestamps import earlier, format_time, parse_time
from controller.cli.rw.terminal_safe import clean
from controller.errors import RunwatchmanError
from controller.ledger.reading import Selection, extent, read
from controller.ledger.replay import document
from controller.ledger.replay.reproduce import Result
from controller.ledger.replay.shards import SMALL, AnyRow, Judge, cpus, judge_all
from controller.ledger.replay.summary import Audit, AuditSummary, Scope

T = TypeVar("T")

DIFFERENT, FAILED = 1, 2
"""Exit codes: a plan differs; nothing could be replayed, or not as asked."""
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
AGE = re.compile(r"(\d{1,9})([smhdw])")


class Moment(click.ParamType[datetime]):
    """A parameter type: an RFC 3339 time, or an age such as 7d."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the time, aware."""
        if isinstance(value, datetime):
            return value
        if age := AGE.fullmatch(value):
            return earlier(datetime.now(UTC), int(age[1]) * UNITS[age[2]])
        try:
            moment = parse_time(value)
        except ValueError:
            moment = None
        return moment or self.fail(f"{value!r} is no time: give one with a zone, 2026-01-31T12:00:00Z, or an age, 7d", param, ctx)


@click.command()
@click.option("--ledger", "url", required=True, metavar="URL", help="The ledger's database, as the operator's --ledger has it.")
@click.option("--since", type=Moment(), help="Only decisions from this time on: RFC 3339, or an age such as 12h or 7d.")
@click.option("--until", type=Moment(), help="Only decisions before this time.")
@click.option("-n", "--namespace", default="", help="Only Runs of this namespace.")
@click.option("--run", default="", metavar="NAME", help="Only Runs of this name.")
@click.option(
    "-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True, help="Format of the output."
)
@click.option("--jobs", type=click.IntRange(1, 64), help="Processes; default: one for each CPU.")
def replay(url: str, since: datetime | None, until: datetime | None, output: str, jobs: int | None, **names: str) -> None:
    """Decide again in every situation of a ledger, and compare the plans with the recorded ones byte for byte.

    Exits with 1 where a plan differs, and lists the rows; with 2 where nothing can be replayed. docs/replay.md explains the output.
    """
    selection = Selection(since, until, names["namespace"], names["run"])
    with _in_words():
        rows = _rows_in(url, selection)
        scope, summary = Scope(), AuditSummary()
        for results in _judged(url, selection, rows, scope, Audit, jobs):
            summary.add(results)
    _show(output, document.audit_document(scope, summary), document.audit_lines(scope, summary))
    sys.exit(DIFFERENT if summary.counts[Result.DIFFERENT] else 0 if summary.judged else FAILED)


@contextmanager
def _in_words() -> Iterator[None]:
    """Print an expected error in one line and exit."""
    try:
        yield
    except (RunwatchmanError, OSError) as error:
        click.echo(f"runwatchman: {error}", err=True)
        sys.exit(FAILED)


def _rows_in(url: str, selection: Selection) -> int:
    """Return the number of selected rows. Raises click's UsageError where there is none."""
    if selection.since and selection.until and selection.until <= selection.since:
        raise click.UsageError(f"--until {format_time(selection.until)} must be after --since {format_time(selection.since)}")
    if found := extent(url, selection).rows:
        return found
    rows, first, last = extent(url)
    if not rows:
        raise RunwatchmanError("this ledger has no decision yet: the operator records one with each pass that acts")
    raise RunwatchmanError(
        f"no decision of the ledger is selected: it has {rows:,}, from {first} to {last}; see --since, --run, -n"
    )


def _judged(
    url: str, selection: Selection, rows: int, scope: Scope, make: Callable[[], Judge[T]], jobs: int | None
) -> Iterator[list[T]]:
    """Yield the results of all selected rows, by several processes if that saves time."""
    with _progress(rows) as advance:
        yield from judge_all(_counted(read(url, selection), scope, advance), make, jobs or (1 if rows < SMALL else cpus()))


def _counted(rows: Iterable[AnyRow], scope: Scope, advance: Callable[[], None]) -> Iterator[AnyRow]:
    for row in rows:
        scope.add(row)
        advance()
        yield row


@contextmanager
def _progress(rows: int) -> Iterator[Callable[[], None]]:
    """Show a bar on stderr if that is a terminal; yield the function that counts a row."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    bar = Progress(BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=Console(stderr=True), transient=True)
    with bar:
        task = bar.add_task("replay", total=rows)
        yield lambda: bar.advance(task)


def _show(output: str, found: dict[str, Any], lines: Iterable[str]) -> None:
    shown = json.dumps(found, indent=2, ensure_ascii=False) if output == "json" else "\n".join(map(clean, lines))
    click.echo(shown)
