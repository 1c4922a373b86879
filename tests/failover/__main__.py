"""The campaign against every kind of blow, with progress, and a table in Markdown at the end.

scripts/run python -m tests.failover [--blows N] [--seed S] [--blow NAME]... [--cluster NAME]
"""

from __future__ import annotations

import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click

from tests.chaos.evidence import KINDS, watching
from tests.chaos.series import teller
from tests.chart.helm import install
from tests.cluster import dockerd, lifecycle
from tests.cluster.kind import KindCluster
from tests.failover.campaign import Campaign
from tests.failover.faults import BLOWS
from tests.failover.outcome import table
from tests.failover.release import LEASES, QUICK_LEASE, TWO, Release
from tests.reporter_image import load_reporter_image

NODES = 2


@click.command()
@click.option("--blows", default=20, show_default=True, help="Blows of each kind.")
@click.option("--seed", type=int, help="Seed for the moments; printed if it is not given.")
@click.option("--blow", "names", multiple=True, help="Only kinds whose names begin like this.")
@click.option("--patient", is_flag=True, help="With the chart's own Lease timings in place of quick ones.")
@click.option("--cluster", "there", help="A kind cluster that `python -m tests.cluster up` has left; else one is made.")
def main(blows: int, seed: int | None, names: Sequence[str], there: str | None, *, patient: bool) -> None:
    """Strike the leader of two operators repeatedly, and compare the ends of the Runs."""
    seed = random.randrange(2**32) if seed is None else seed  # noqa: S311  # no secret
    tell = teller()
    tell(f"seed {seed}")
    chosen = [blow for blow in BLOWS if blow.name.startswith(tuple(names) or "")]
    with ExitStack() as stack:
        cluster = stack.enter_context(_cluster(there))
        load_reporter_image(cluster)
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        install(cluster.kubeconfig, home, TWO, *(() if patient else QUICK_LEASE))
        evidence = stack.enter_context(watching(cluster, (*KINDS, LEASES)))
        outcome = Campaign(cluster, evidence, Release(cluster, evidence), seed, tell).all(chosen, blows)
        complete = evidence.complete
    click.echo("\n".join(table(outcome, complete=complete)))
    sys.exit(0 if complete and outcome.good else 1)


@contextmanager
def _cluster(there: str | None) -> Iterator[KindCluster]:
    cluster = _attached(there) if there else lifecycle.up("kind", nodes=NODES)
    assert isinstance(cluster, KindCluster), "only on nodes of our own can anything be struck"
    try:
        yield cluster
    finally:
        if not there:
            lifecycle.end(cluster)


def _attached(name: str) -> KindCluster:
    known = lifecycle.attach(name)
    nodes = tuple(known.kubectl("get", "nodes", "-o", "jsonpath={.items[*].metadata.name}").split())
    return KindCluster(name, known.provider, known.directory, known.kubeconfig, known.kubectl_path, None, nodes, dockerd.engine())


if __name__ == "__main__":
    main()
