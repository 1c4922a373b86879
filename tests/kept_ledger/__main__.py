"""Plays the stories with the operator of this checkout and keeps its ledger.

scripts/run python -m tests.kept_ledger [--output FILE]
"""

from __future__ import annotations

import lzma
import sqlite3
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import click

from tests.cluster import Cluster, lifecycle
from tests.conftest import install
from tests.kept_ledger import KEPT
from tests.kept_ledger.actor import Actor
from tests.kept_ledger.stories import BY_HAND, ONE_AT_A_TIME, QUEUE, QUICK, STORIES, Story
from tests.scripted_advisor import ScriptedAdvisor
from tests.support import OperatorProcess, apply, policy_of, run_of

NAMESPACE = "stories"
IMAGES = ("--reporter-image", "runwatchman:1", "--git-image", "git:1")
"""Simulated nodes pull no image."""
AT_ONCE = 10
"""Stories that are played at the same time; each waits more than it computes."""


@click.command()
@click.option("--output", type=click.Path(path_type=Path), default=KEPT, help="Where the ledger goes.")
def main(output: Path) -> None:
    """Play all stories on a control plane with simulated nodes."""
    with tempfile.TemporaryDirectory() as folder, cluster_of_its_own() as cluster:
        path, advisor = Path(folder) / "ledger.db", ScriptedAdvisor(Path(folder) / "advisor")
        advice = ("--adapter=local", "--adapter-commands", str(advisor.commands()))
        cluster.kubectl("create", "namespace", NAMESPACE)
        with OperatorProcess(
            cluster, "--namespace", NAMESPACE, "--ledger", f"sqlite:///{path}", "--ledger-detail=all", *IMAGES, *advice
        ):
            play(cluster)
        output.write_bytes(lzma.compress(_plain(path), preset=lzma.PRESET_EXTREME))
    click.echo(f"{output}: {output.stat().st_size} bytes")


@contextmanager
def cluster_of_its_own() -> Iterator[Cluster]:
    """Yield an API server with two simulated nodes, the CRDs and the admission policies."""
    cluster = lifecycle.up("api", kwok_nodes=2)
    try:
        install(cluster)
        yield cluster
    finally:
        lifecycle.end(cluster)


def play(cluster: Cluster) -> None:
    """Play every story to its end. Raises AssertionError for one that does not come to it."""
    queue = [policy_of(QUICK | BY_HAND | ONE_AT_A_TIME, "queue")]
    queue += [run_of(story.name, policyRef={"name": "queue"}) for story in QUEUE]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        played = [pool.submit(_play, cluster, story, story.objects()) for story in STORIES]
        played.append(pool.submit(_play, cluster, QUEUE[1], queue))
    for each in played:
        each.result()


def _play(cluster: Cluster, story: Story, objects: list[dict[str, object]]) -> None:
    for each in objects:  # In this order: a Run waits for its policy, and the second of a queue for the first.
        apply(cluster, NAMESPACE, each)
    story.play(Actor(cluster, NAMESPACE, story.name))
    click.echo(f"{story.name}: played")


def _plain(path: Path) -> bytes:
    """Return an SQLite file in one piece, without free pages."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("VACUUM")
    return path.read_bytes()


if __name__ == "__main__":
    main()
