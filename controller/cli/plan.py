"""`runwatchman plan`: prints the decision for a snapshot, without a cluster."""

from __future__ import annotations

import json
import sys
from typing import Any, BinaryIO

import click
import yaml

from controller.api.violations import Refused
from controller.plan import plan as decide
from controller.plan.plan_document import write_plan
from controller.plan.snapshot_reader import read_snapshot
from controller.strict.text_encoding import NotUtf8, decode


class _Loader(yaml.SafeLoader):
    """A YAML loader that keeps times as texts, as they are in JSON."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@click.command()
@click.option("-f", "--file", required=True, type=click.File("rb"), help="The snapshot, YAML or JSON; - is stdin.")
@click.option("-o", "--output", type=click.Choice(["yaml", "json"]), default="yaml", help="Format of the output.")
def plan(file: BinaryIO, output: str) -> None:
    """Print the plan for a snapshot: the rule that applies, its actions with their reasons, and the digest.

    A snapshot holds now, run, policy, state, pods, claims and escalations; docs/plan.md describes its fields. The ledger stores
    snapshots in this form.
    """
    try:
        snapshot, now = read_snapshot(load(decode(file.read())))
    except (Refused, yaml.YAMLError, NotUtf8) as error:
        for line in _lines(error):
            click.echo(f"{file.name}: {line}", err=True)
        sys.exit(1)
    document = write_plan(decide(snapshot, now))
    shown = json.dumps(document, indent=2) + "\n" if output == "json" else yaml.safe_dump(document, sort_keys=False, width=120)
    click.echo(shown, nl=False)


def load(text: str) -> Any:
    """Return the document in a YAML or JSON text; for a document with a `snapshot`, return that.

    Raises yaml.YAMLError for any other text.
    """
    document = yaml.load(text, Loader=_Loader)  # noqa: S506  # a SafeLoader
    return document["snapshot"] if isinstance(document, dict) and "snapshot" in document else document


def _lines(error: Exception) -> list[str]:
    if isinstance(error, Refused):
        return [str(violation) for violation in error.violations]
    return [" ".join(str(error).split())]
