"""`runwatchman policy`: checks a policy file, or prints the defaults."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import BinaryIO

import click
import yaml

from controller.api.base import dump
from controller.api.crd import build_crds
from controller.api.policy import RunPolicySpec
from controller.api.policy_file import PolicyFileError, read_policy_file
from controller.api.resolved_policy import ResolvedPolicy
from controller.cli.rw.terminal_safe import clean
from controller.errors import RunwatchmanError

Schema = dict[str, object]
MAX_RUNS = 1_000_000
NOT_COMPARED = 2
"""Exit code of a valid policy that could not be compared with a ledger."""


@click.group()
def policy() -> None:
    """Work with the operator's policy file."""


@policy.command()
@click.argument("file", type=click.File("rb"))
@click.option("--against-ledger", "url", metavar="URL", help="Also sum up its replay and simulation on this ledger, in five lines.")
@click.option("--runs", type=click.IntRange(1, MAX_RUNS), default=300, show_default=True, help="Runs to simulate, with the ledger.")
def check(file: BinaryIO, url: str | None, runs: int) -> None:
    """Check a policy FILE (- for standard input): YAML or JSON, a RunPolicy, or the seed's snake_case JSON.

    With --against-ledger, show what it would have changed in the recorded Runs, and its cost in a scenario fitted to them.
    """
    name = getattr(file, "name", "<stdin>")
    try:
        found = read_policy_file(file.read())
    except PolicyFileError as error:
        for violation in error.violations:
            click.echo(f"{name}: {violation}", err=True)
        sys.exit(1)
    default = dump(RunPolicySpec())
    changed = [key for key, value in dump(found).items() if default.get(key) != value]
    click.echo(f"{name}: ok ({'differs from the defaults in ' + ', '.join(changed) if changed else 'the defaults'})")
    if url:
        _against(url, ResolvedPolicy.of(Path(name).stem, found), runs)


def _against(url: str, candidate: ResolvedPolicy, runs: int) -> None:
    """Print what a ledger says about a policy. The modules for that are loaded only here."""
    from controller.cli import policy_trial

    try:
        for line in policy_trial.lines(policy_trial.trial(url, candidate), candidate, runs):
            click.echo(clean(line))
    except (RunwatchmanError, OSError) as error:
        click.echo(f"runwatchman: {error}", err=True)
        sys.exit(NOT_COMPARED)


@policy.command()
def defaults() -> None:
    """Print the default policy as YAML, each field with its meaning, unit and range."""
    schema = build_crds()["runwatchman.dev_runpolicies.yaml"]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    click.echo(_commented(dump(RunPolicySpec()), schema["properties"]["spec"]["properties"], ""), nl=False)


def _commented(values: dict[str, object], fields: dict[str, Schema], indent: str) -> str:
    lines = []
    for name, field in fields.items():
        lines.append(f"{indent}# {field['description']}")
        value = values.get(name)
        inner = field.get("properties")
        if isinstance(inner, dict) and isinstance(value, dict):
            lines.append(f"{indent}{name}:")
            lines.append(_commented(value, inner, indent + "  ").rstrip("\n"))
        else:
            shown = yaml.safe_dump(value, default_flow_style=True).removesuffix("...\n").strip()
            lines.append(f"{indent}{name}: {shown}" if value is not None else f"{indent}# {name}: (not set)")
    return "\n".join(lines) + "\n"
