"""`runwatchman simulate`: plays Runs under policies in a scenario, in virtual time."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import click
import yaml

from controller.api.base import dump
from controller.api.policy import RunPolicySpec
from controller.api.policy_file import read_policy_file
from controller.api.resolved_policy import ResolvedPolicy
from controller.api.strict_file import FileRefused
from controller.api.violations import Refused
from controller.cli.fitting import fit_ledger, progress
from controller.cli.moment import Moment
from controller.errors import RunwatchmanError
from controller.simulation import document, plot, pool, table
from controller.simulation.document import Played, Setting
from controller.simulation.fit import Fit
from controller.simulation.fit_view import fit_document, fit_lines
from controller.simulation.pool import Case
from controller.simulation.scenario import Scenario, ScenarioRefused
from controller.simulation.shipped import find_scenario, names
from controller.simulation.sweep import Sweep, SweepRefused, parse_sweep

DEFAULTS = "defaults"
"""The name of the default policy among the files of --policy."""
FITTED = "ledger"
"""The name of a scenario that was fitted."""
WIDTH = 120
"""Columns of a scenario's file."""
FAILED = 2
"""Exit code if nothing could be simulated."""
FILE = click.Path(dir_okay=False, path_type=Path)
MAX_RUNS, MAX_SEED, MAX_JOBS = 1_000_000, 2**63 - 1, 256


@click.command()
@click.option(
    "--policy",
    "policies",
    multiple=True,
    metavar="FILE",
    help="A policy file, as `runwatchman policy check` reads it, or `defaults`; several are compared. Default: the defaults.",
)
@click.option("--scenario", metavar="FILE", help=f"A scenario file, or the name of one: {', '.join(names())}.")
@click.option("--from-ledger", "url", metavar="URL", help="Fit the scenario to this ledger, as the operator's --ledger has it.")
@click.option("--since", type=Moment(), help="Only the ledger's Runs created since: RFC 3339, or an age such as 12h or 7d.")
@click.option(
    "--save-scenario",
    "saved",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Also write the scenario as YAML.",
)
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
@click.option("--plot", "picture", type=FILE, metavar="FILE.svg", help="Also draw a picture.")
@click.option("--jobs", type=click.IntRange(1, MAX_JOBS), help="Processes; default: one for each CPU.")
def simulate(
    policies: tuple[str, ...],
    scenario: str | None,
    url: str | None,
    since: datetime | None,
    saved: Path | None,
    runs: int,
    seed: int,
    sweep: str | None,
    output: str,
    picture: Path | None,
    jobs: int | None,
) -> None:
    """Play Runs under policies in a scenario, in virtual time, by the decisions that the operator makes.

    The scenario is a file's, one by name, or fitted to a ledger. docs/simulate.md describes scenarios and the output. The same
    arguments give the same result on every machine.
    """
    if (scenario is None) == (url is None):
        raise click.UsageError(f"give either --scenario (a file, or {', '.join(names())}) or --from-ledger")
    if since and url is None:
        raise click.UsageError("--since selects the Runs of a ledger: give it with --from-ledger")
    with _in_words():
        if picture:
            plot.require(picture)
        named = [Case(Scenario(), policy) for policy in _policies(policies or (DEFAULTS,))]
        fit = fit_ledger(url, since) if url else None
        name, found = (FITTED, fit.scenario) if fit else _scenario(scenario or "")
        cases, swept = _cases([replace(case, scenario=found) for case in named], sweep)
        if saved:
            _write(saved, "--save-scenario", yaml.safe_dump(dump(found), sort_keys=False, width=WIDTH))
    setting = Setting(name, found, runs, seed, swept.field if swept else "")
    with progress("playing", runs * len(cases)) as advance:
        results = pool.play(cases, runs, seed, jobs or pool.cpus(), advance)
    values = swept.values if swept else (None,)
    played = [
        Played(case.policy.name, each, values[index % len(values)])
        for index, (case, each) in enumerate(zip(cases, results, strict=True))
    ]
    _show(output, setting, played, fit)
    if picture:
        with _in_words():
            _write(picture, "--plot", plot.draw(setting, played))


def _write(file: Path, option: str, text: str) -> None:
    """Write a file that an option names. Raises Refused."""
    try:
        file.write_text(text)
    except OSError as error:
        raise FileRefused.of(f"{option} {file}", f"cannot be written: {error.strerror}") from error


def _scenario(given: str) -> tuple[str, Scenario]:
    """Return a scenario with its name. Raises Refused."""
    try:
        return find_scenario(given)
    except ScenarioRefused as error:
        raise InFile(given, error) from error


def _cases(base: list[Case], sweep: str | None) -> tuple[list[Case], Sweep | None]:
    """Return the cases to play: each with each value of the sweep, if there is one. Raises Refused."""
    try:
        swept = parse_sweep(sweep) if sweep else None
        return [case for each in base for case in (swept.cases(each) if swept else [each])], swept
    except SweepRefused as error:
        raise InFile("--sweep", error) from error


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
def _in_words() -> Iterator[None]:
    """Print an expected error, one line for each violation, and exit."""
    try:
        yield
    except Refused as error:
        where = error.where if isinstance(error, InFile) else ""
        for violation in error.violations:
            click.echo(f"runwatchman: {where}{violation}", err=True)
        sys.exit(FAILED)
    except (RunwatchmanError, OSError) as error:
        click.echo(f"runwatchman: {error}", err=True)
        sys.exit(FAILED)


def _show(output: str, setting: Setting, played: list[Played], fit: Fit | None) -> None:
    if output == "json":
        found = document.document(setting, played) | ({"fit": fit_document(fit)} if fit else {})
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    lines = (table.swept if setting.sweep else table.policies)(setting, played)
    click.echo("\n".join([*(fit_lines(fit) if fit else ()), *lines]))
