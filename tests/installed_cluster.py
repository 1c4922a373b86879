"""The cluster of a campaign or a benchmark, with our manifests installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.cluster import Cluster, lifecycle
from tests.conftest import install


@contextmanager
def installed_cluster(there: str | None, provider: str = "kind", *, nodes: int = 1, kwok_nodes: int = 0) -> Iterator[Cluster]:
    """Yield the cluster that `python -m tests.cluster up` has left under a name, or one of our own, which is ended afterwards."""
    cluster = lifecycle.attach(there) if there else lifecycle.up(provider, nodes=nodes, kwok_nodes=kwok_nodes)
    try:
        install(cluster)
        yield cluster
    finally:
        if not there:
            lifecycle.end(cluster)
