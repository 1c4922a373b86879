"""`runwatchman replay`: decides again in every situation of a ledger."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Any, BinaryIO, NamedTuple, TypeVar

import click

from controller.api.policy import RunPolicySpec
from controller.api.policy_file import PolicyFileError, read_policy_file
from controller.api.timestamps import format_time
from controller.cli.moment import Moment
from controller.cli.rw.terminal_safe import clean
from controller.errors import RunwatchmanError
from controller.ledger.reading import Selection, extent, read
from controller.ledger.replay import document
from controller.ledger.replay.candidate import Candidate
from controller.ledger.replay.comparison import Comparison
from controller.ledger.replay.comparison_document import comparison_document, comparison_lines
from controller.ledger.replay.reproduce import Result
from controller.ledger.replay.shards import SMALL, AnyRow, Judge, cpus, judge_all
from controller.ledger.replay.summary import Audit, AuditSummary, Scope

T = TypeVar("T")

DIFFERENT, FAILED, INTERRUPTED = 1, 2, 130
"""Exit codes: a plan differs; nothing could be replayed, or not as asked; Ctrl-C, as shells have it."""


@click.command()
@click.option("--ledger", "url", required=True, metavar="URL", help="The ledger's database, as the operator's --ledger has it.")
@click.option(
    "--policy",
    "candidate",
    type=click.File("rb"),
    metavar="FILE",
    help="Show what this policy would have decided otherwise; - is stdin.",
)
@click.option("--since", type=Moment(), help="Only decisions from this time on: RFC 3339, or an age such as 12h or 7d.")
@click.option("--until", type=Moment(), help="Only decisions before this time.")
@click.option("-n", "--namespace", default="", help="Only Runs of this namespace.")
@click.option("--run", default="", metavar="NAME", help="Only Runs of this name.")
@click.option(
    "-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True, help="Format of the output."
)
@click.option("--jobs", type=click.IntRange(1, 64), help="Processes; default: one for each CPU.")
def replay(
    url: str,
    since: datetime | None,
    until: datetime | None,
    candidate: BinaryIO | None,
    output: str,
    jobs: int | None,
    **names: str,
) -> None:
    """Decide again in every situation of a ledger, and compare the plans with the recorded ones byte for byte.

    Exits with 1 where a plan differs, and lists the rows; with 2 where nothing can be replayed.

    With --policy, follow each Run until the first decision that this policy makes otherwise, and sum up the differences.
    docs/replay.md explains the output.
    """
    selection = Selection(since, until, names["namespace"], names["run"])
    policy = _read_policy(candidate) if candidate else None
    with _in_words():
        reading = Reading(url, selection, _rows_in(url, selection), jobs)
        code = _compare(reading, policy, output) if policy else _audit(reading, output)
    sys.exit(code)


class Reading(NamedTuple):
    """The rows to judge, and the number of processes, None for as many as are useful."""

    url: str
    selection: Selection
    rows: int
    jobs: int | None


def _audit(reading: Reading, output: str) -> int:
    """Replay with the recorded policies; return the exit code."""
    scope, summary = Scope(), AuditSummary()
    for results in _judged(reading, scope, Audit):
        summary.add(results)
    _show(output, document.audit_document(scope, summary), document.audit_lines(scope, summary))
    return DIFFERENT if summary.counts[Result.DIFFERENT] else 0 if summary.judged else FAILED


def _compare(reading: Reading, policy: RunPolicySpec, output: str) -> int:
    """Replay with a candidate; return the exit code."""
    scope, found = Scope(), Comparison()
    for results in _judged(reading, scope, partial(Candidate, policy)):
        found.add(results)
    _show(output, comparison_document(scope, found), comparison_lines(scope, found))
    return 0 if found.judged else FAILED


def _read_policy(file: BinaryIO) -> RunPolicySpec:
    try:
        return read_policy_file(file.read())
    except PolicyFileError as error:
        for violation in error.violations:
            click.echo(f"{file.name}: {violation}", err=True)
        sys.exit(FAILED)


@contextmanager
def _in_words() -> Iterator[None]:
    """Print an expected error in one line and exit."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo("runwatchman: interrupted: no result is printed", err=True)
        sys.exit(INTERRUPTED)
    except BrokenProcessPool:
        click.echo("runwatchman: a process of the replay was killed: see the machine's memory, or give fewer --jobs", err=True)
        sys.exit(FAILED)
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


def _judged(reading: Reading, scope: Scope, make: Callable[[], Judge[T]]) -> Iterator[list[T]]:
    """Yield the results of all selected rows, by several processes if that saves time."""
    jobs = reading.jobs or (1 if reading.rows < SMALL else cpus())
    with _progress(reading.rows) as advance:
        yield from judge_all(_counted(read(reading.url, reading.selection), scope, advance), make, jobs)


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
