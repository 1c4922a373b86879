"""`runwatchman simulate`: plays Runs under policies in a scenario, in virtual time."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from controller.api.policy import RunPolicySpec
from controller.api.policy_file import read_policy_file
from controller.api.resolved_policy import ResolvedPolicy
from controller.api.strict_file import FileRefused
from controller.api.violations import Refused
from controller.simulation import document, plot, pool, table
from controller.simulation.document import Played, Setting
from controller.simulation.pool import Case
from controller.simulation.scenario import ScenarioRefused
from controller.simulation.shipped import find_scenario, names
from controller.simulation.sweep import Sweep, SweepRefused, parse_sweep

DEFAULTS = "defaults"
"""The name of the default policy among the files of --policy."""
FAILED = 2
"""Exit code if nothing could be simulated."""
MAX_RUNS, MAX_SEED, MAX_JOBS = 1_000_000, 2**63 - 1, 256


@click.command()
@click.option(
    "--policy",
    "policies",
    multiple=True,
    metavar="FILE",
    help="A policy file, as `runwatchman policy check` reads it, or `defaults`; several are compared. Default: the defaults.",
)
@click.option("--scenario", required=True, metavar="FILE", help=f"A scenario file, or the name of one: {', '.join(names())}.")
@click.option(
    "--runs", type=click.IntRange(1, MAX_RUNS), default=1000, show_default=True, help="Runs to simulate with each policy."
)
@click.option("--seed", type=click.IntRange(0, MAX_SEED), default=1, show_default=True, help="The same seed gives the same result.")
@click.option(
    "--sweep", metavar="FIELD=V1,V2,...", help="A field of the policies or of the scenario, and the values that it takes."
)
@click.option(
    "-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True, help="Format of the output."
)
@click.option("--plot", "picture", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE.svg", help="Also draw a picture.")
@click.option("--jobs", type=click.IntRange(1, MAX_JOBS), help="Processes; default: one for each CPU.")
def simulate(
    policies: tuple[str, ...],
    scenario: str,
    runs: int,
    seed: int,
    sweep: str | None,
    output: str,
    picture: Path | None,
    jobs: int | None,
) -> None:
    """Play Runs under policies in a scenario, in virtual time, by the decisions that the operator makes.

    docs/simulate.md describes scenarios and the output. The same arguments give the same result on every machine.
    """
    with _in_words(picture):
        cases, setting, swept = _prepared(policies or (DEFAULTS,), scenario, runs, seed, sweep)
    with _progress(runs * len(cases)) as advance:
        results = pool.play(cases, runs, seed, jobs or pool.cpus(), advance)
    values = swept.values if swept else (None,)
    played = [
        Played(case.policy.name, found, values[index % len(values)])
        for index, (case, found) in enumerate(zip(cases, results, strict=True))
    ]
    _show(output, setting, played)
    if picture:
        picture.write_text(plot.draw(setting, played))


def _prepared(
    policies: tuple[str, ...], scenario: str, runs: int, seed: int, sweep: str | None
) -> tuple[list[Case], Setting, Sweep | None]:
    """Return the cases, and what they are. Raises Refused."""
    try:
        name, found = find_scenario(scenario)
    except ScenarioRefused as error:
        raise InFile(scenario, error) from error
    base = [Case(found, policy) for policy in _policies(policies)]
    try:
        swept = parse_sweep(sweep) if sweep else None
        cases = [case for each in base for case in (swept.cases(each) if swept else [each])]
    except SweepRefused as error:
        raise InFile("--sweep", error) from error
    return cases, Setting(name, found, runs, seed, swept.field if swept else ""), swept


def _policies(files: tuple[str, ...]) -> list[ResolvedPolicy]:
    """Return the policies of the files, named after them. Files of the same name keep their folders."""
    stems = [Path(file).stem for file in files]
    return [_policy(file, stem if stems.count(stem) == 1 else file) for file, stem in zip(files, stems, strict=True)]


def _policy(file: str, name: str) -> ResolvedPolicy:
    if file == DEFAULTS and not Path(file).exists():
        return ResolvedPolicy.of(DEFAULTS, RunPolicySpec())
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return ResolvedPolicy.of(name, read_policy_file(data))
    except OSError as error:
        raise FileRefused.of(f"--policy {file}", f"cannot be read: {error.strerror}") from error
    except Refused as error:
        raise InFile(file, error) from error


class InFile(Refused):
    """What is refused of a file or an option, with its name."""

    def __init__(self, name: str, refused: Refused) -> None:
        super().__init__(refused.violations)
        self.where = f"{name} " if name.startswith("--") else f"{name}: "


@contextmanager
def _in_words(picture: Path | None) -> Iterator[None]:
    """Check the picture's file, and print an expected error, one line for each violation."""
    try:
        if picture:
            plot.require(picture)
        yield
    except Refused as error:
        where = error.where if isinstance(error, InFile) else ""
        for violation in error.violations:
            click.echo(f"runwatchman: {where}{violation}", err=True)
        sys.exit(FAILED)


@contextmanager
def _progress(runs: int) -> Iterator[Callable[[int], None]]:
    """Show a bar on stderr if that is a terminal; yield the function that counts Runs."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    with Progress(BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("simulate", total=runs)
        yield lambda count: bar.advance(task, count)


def _show(output: str, setting: Setting, played: list[Played]) -> None:
    if output == "json":
        found: dict[str, Any] = document.document(setting, played)
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join((table.swept if setting.sweep else table.policies)(setting, played)))
