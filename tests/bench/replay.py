"""The time and memory of `runwatchman replay` on a large ledger: with the recorded policies, and with a candidate.

scripts/run python -m tests.bench.replay [--rows N] [--jobs N] [--ledger URL]

The ledger is made here: scripted agents live under several policies, and their rows repeat with other UIDs.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import click
import sqlalchemy as sa

from controller.api.base import JsonObject
from controller.api.timestamps import format_time
from controller.ledger.reading import Row
from controller.ledger.tables import decisions, prepare
from controller.store.sql.urls import parse_url
from tests.unit.stores.scripted_run import NEVER, Life, Play

POLICIES: tuple[JsonObject, ...] = (
    {},
    {"restartBudget": 1},
    {"health": {"activityStalledSeconds": 300}},
    {"onBudgetSpent": "Fail"},
)
LIVES = (
    (Life(300),),
    (Life(100, 1), Life(100, 137), Life(50)),
    (Life(9000, 0, (100, 1500)),),
    (Life(60, 1),),
    (Life(400, 0, (50, NEVER)), Life(300)),
)
CANDIDATE = "restartBudget: 2\nrestartCooldownSeconds: 300\nhealth: {activityStalledSeconds: 1800}\n"
AT_ONCE = 1000
"""Rows written in one transaction."""
KILOBYTES = 1024


@click.command()
@click.option("--rows", default=100_000, show_default=True, help="Decisions in the ledger.")
@click.option("--jobs", type=int, help="Processes; default: as the command chooses.")
@click.option("--ledger", "url", help="An empty database for it; default: a new SQLite file.")
def main(rows: int, jobs: int | None, url: str | None) -> None:
    """Make a ledger, replay it in both ways, and print a line for each."""
    with tempfile.TemporaryDirectory() as folder:
        there, candidate = url or f"sqlite:///{folder}/ledger.db", Path(folder) / "candidate.yaml"
        candidate.write_text(CANDIDATE)
        size = _fill(there, rows)
        click.echo(
            f"{rows:,} decisions of {size / rows / KILOBYTES:.1f} KiB, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
        )
        words = ["runwatchman", "replay", "--ledger", there, *(["--jobs", str(jobs)] if jobs else [])]
        click.echo(f"recorded policies: {_measure(words)}")
        click.echo(f"a candidate:       {_measure([*words, '--policy', str(candidate)])}")


def _fill(url: str, rows: int) -> int:
    """Write the ledger; return the bytes of its documents."""
    engine, size = sa.create_engine(parse_url(url)), 0
    waiting = islice(_rows(), rows)
    with engine.begin() as connection:
        prepare(connection)
    while batch := list(islice(waiting, AT_ONCE)):
        size += sum(len(row["snapshot"]) + len(row["plan"]) + len(row["outcome"]) for row in batch)
        with engine.begin() as connection:
            connection.execute(sa.insert(decisions), batch)
    engine.dispose()
    return size


def _rows() -> Iterator[dict[str, Any]]:
    """Yield rows for ever, Run after Run."""
    histories = [Play(policy, lives).rows() for policy in POLICIES for lives in LIVES]
    for number, history in enumerate(cycle(histories)):
        for row in history:
            yield _values(row) | {"run_uid": f"uid-{number}"}


def _values(row: Row) -> dict[str, Any]:
    names = ("namespace", "run", "rule", "phase", "reason", "digest", "snapshot", "plan", "outcome")
    return {name: getattr(row, name) for name in names} | {"at": format_time(row.at)}


def _measure(words: list[str]) -> str:
    """Return the wall and the CPU seconds of a command with its processes, and the memory of the largest of them."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=False)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        sys.exit(done.stdout)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return (
        f"{wall:.1f} s, {cpu:.1f} s of CPU, at most {after.ru_maxrss // KILOBYTES} MiB in a process: {done.stdout.splitlines()[1]}"
    )


if __name__ == "__main__":
    main()
