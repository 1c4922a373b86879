"""Prove that every golden snapshot of another revision still leads to the digest that revision recorded.

    scripts/run python scripts/digests.py [REVISION]

The digest covers the rule's ID, phase, reason, actions and agents' health: equal digests mean equal decisions.
Exits with 1 where a decision differs, and names the stories. Later stories store no digests: for such a revision the
script compares nothing, says so and exits with 2.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import click
import yaml

from controller.cli.plan import load
from controller.plan import plan
from controller.plan.snapshot_reader import read_snapshot

BASE = "003f1bc"
"""The last revision whose rules took their IDs from function names."""
CASES = "tests/unit/plan/cases"


def stories(revision: str) -> Iterator[tuple[str, str]]:
    """Yield the path and the text of each golden story of a revision."""
    for path in _git("ls-tree", "-r", "--name-only", revision, CASES).splitlines():
        yield path, _git("show", f"{revision}:{path}")


def differs(text: str) -> bool:
    """Return whether a story's snapshot leads to another digest than its plan has."""
    snapshot, now = read_snapshot(load(text))
    return plan(snapshot, now).digest != recorded(text)


def recorded(text: str) -> str | None:
    """Return the digest that a story stores, if it stores one."""
    found: str | None = yaml.safe_load(text)["plan"].get("digest")
    return found


def main(revision: str = BASE) -> int:
    """Compare all stories; return the exit code."""
    found = list(stories(revision))
    if found and not any(recorded(text) for _, text in found):
        click.echo(
            f"nothing is compared: the stories of {revision} store no digests; give an older revision, such as {BASE}", err=True
        )
        return 2
    changed = [path for path, text in found if differs(text)]
    for path in changed:
        click.echo(f"{path}: the digest is not that of {revision}", err=True)
    click.echo(f"{len(found) - len(changed)} of {len(found)} digests are those of {revision}")
    return 1 if changed or not found else 0


def _git(*args: str) -> str:
    return subprocess.run(["git", *args], check=True, capture_output=True, text=True).stdout  # noqa: S603, S607  # the git of whoever runs this


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
