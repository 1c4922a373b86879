"""The stories of golden plans: a snapshot, and the plan for it.

A story may inherit a situation by `base: NAME`, a file in bases/, which may have a base too. Mappings are merged deeply, and null
removes a key. A list replaces that of the base. A mapping in the place of a list changes the list's items by their index.

    scripts/run python -m tests.unit.plan.stories FILE | runwatchman plan -f -

prints the plan of a story.
"""

from __future__ import annotations

import sys
from copy import deepcopy
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import click
import yaml

from controller.api.base import JsonObject
from controller.plan import Snapshot
from controller.plan.snapshot_reader import read_snapshot

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
CASES = sorted((Path(__file__).parent / "cases").glob("*/*.yaml"))
BASES = Path(__file__).parent / "bases"


def snapshot_of(path: Path) -> Snapshot:
    """Return the snapshot of a story."""
    return read_snapshot(document_of(path))[0]


def document_of(path: Path) -> JsonObject:
    """Return the snapshot of a story as a document with all that it inherits. The caller may change it."""
    return deepcopy(_inherit(story_of(path)))


def _inherit(story: JsonObject) -> JsonObject:
    own: JsonObject = story["snapshot"]
    return merge(_base(story["base"]), own) if "base" in story else own


@cache
def _base(name: str) -> JsonObject:
    return _inherit(story_of(BASES / f"{name}.yaml"))


def story_of(path: Path) -> JsonObject:
    """Read a story, whose times are quoted. The fast loader makes no difference to anything else."""
    found: JsonObject = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
    return found


def merge(base: Any, change: Any) -> Any:
    """Return a value of a base as a story changes it."""
    if isinstance(base, list) and isinstance(change, dict):
        return list(merge(dict(enumerate(base)), change).values())
    if isinstance(base, dict) and isinstance(change, dict):
        merged = base | {key: merge(base.get(key), value) for key, value in change.items()}
        return {key: value for key, value in merged.items() if value is not None or key not in change}
    return change


if __name__ == "__main__":
    click.echo(yaml.safe_dump(document_of(Path(sys.argv[1])), sort_keys=False), nl=False)
