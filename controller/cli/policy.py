"""`runwatchman policy`: checks a policy file, or prints the defaults."""

from __future__ import annotations

import sys
from typing import BinaryIO

import click
import yaml

from controller.api.base import dump
from controller.api.crd import build_crds
from controller.api.policy import RunPolicySpec
from controller.api.policy_file import PolicyFileError, read_policy_file

Schema = dict[str, object]


@click.group()
def policy() -> None:
    """Work with the operator's policy file."""


@policy.command()
@click.argument("file", type=click.File("rb"))
def check(file: BinaryIO) -> None:
    """Check a policy FILE (- for standard input): YAML or JSON, a RunPolicy, or the seed's snake_case JSON."""
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
