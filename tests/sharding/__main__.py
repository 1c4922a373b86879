"""Waves of Runs under blows against their replicas, all checked against P1 to P5.

make shards, or scripts/run python -m tests.sharding [--waves N] [--seed S] [--store STORE]
"""

from __future__ import annotations

import random
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import click

from tests.api.operators import QUICK_LEASE, Fleet, fleet_of
from tests.api.shard_wave import Wave, judged
from tests.chaos.evidence import Evidence, watching
from tests.chaos.series import teller
from tests.cluster import Cluster, lifecycle
from tests.conftest import install
from tests.postgres import postgres_server
from tests.sharding.faults import Blows
from tests.sharding.places import PLACES, most_at_work, shared_provider, too_many

NODES = 2
POSTGRESQL = "postgresql"
STORES = ("status", "annotations", POSTGRESQL)
BLOWS_SECONDS = 60.0
"""How long a wave is struck before the test waits for its end."""
PATIENCE_SECONDS = 300.0


@click.command()
@click.option("--waves", default=5, show_default=True, help="Each is struck for a minute, then seen through.")
@click.option("--seed", type=int, help="Seed for the blows; printed if it is not given.")
@click.option("--store", type=click.Choice(STORES), default=STORES[0], show_default=True, help="Where the state is kept.")
def main(waves: int, seed: int | None, store: str) -> None:
    """Strike replicas that share the Runs, and judge the final states of the Runs."""
    seed = random.randrange(2**32) if seed is None else seed  # noqa: S311  # no secret
    draw, tell = random.Random(seed), teller()  # noqa: S311  # no secret
    tell(f"seed {seed}")
    cluster = lifecycle.up("api", kwok_nodes=NODES)
    try:
        install(cluster)
        with watching(cluster) as evidence, _kept(store) as options:
            faults = [text for number in range(waves) for text in _wave(cluster, evidence, number, options, draw, tell)]
    finally:
        lifecycle.end(cluster)
    tell(f"{waves} waves, {len(faults) or 'no'} violations")
    sys.exit(1 if faults else 0)


@contextmanager
def _kept(store: str) -> Iterator[tuple[str, ...]]:
    """Yield the operators' options for a store, whose database exists meanwhile."""
    with ExitStack() as stack:
        url = stack.enter_context(postgres_server()).database() if store == POSTGRESQL else store
        yield (*QUICK_LEASE, "--store", url)


def _wave(
    cluster: Cluster, evidence: Evidence, number: int, options: Sequence[str], draw: random.Random, tell: Callable[[str], None]
) -> list[str]:
    """Strike one wave. In every second one, from the first on, all agents share the places of a provider."""
    name = f"wave-{number}"
    provider = None if number % 2 else shared_provider()
    cluster.kubectl("create", "namespace", name)
    with fleet_of(cluster, name, options) as fleet:
        struck, ended = _under_blows(fleet, Wave(cluster, name, name, provider), draw)
    faults = judged(evidence, name)
    if provider:
        tell(f"{name}: at most {most_at_work(evidence.history(name))} agents at work, with places for {PLACES}")
        faults += too_many(evidence.history(name))
    tell(f"{name}: {dict(struck)}, {len(ended)} ended by themselves, {faults or 'nothing violated'}")
    return faults


def _under_blows(fleet: Fleet, wave: Wave, draw: random.Random) -> tuple[Counter[str], list[str]]:
    calm, over, blows = threading.Event(), threading.Event(), Blows(fleet, draw)
    with ThreadPoolExecutor(1) as pool:
        wave.apply()
        striking = pool.submit(blows.strike, calm)
        calm.wait(BLOWS_SECONDS)
        calm.set()
        striking.result()
        keeping = pool.submit(blows.keep, over)
        try:
            wave.see_through(PATIENCE_SECONDS)
        finally:
            over.set()
        keeping.result()
    return blows.struck, blows.ended


if __name__ == "__main__":
    main()
