"""The operator on real kubelets with each of its stores."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.chart.helm import NAMESPACE
from tests.cluster import Cluster, choose, lifecycle
from tests.cluster.kind import kind_unavailable
from tests.reporter_image import load_reporter_image
from tests.skipping import cannot_run
from tests.support import OperatorProcess

TEAM = "team"
"""A namespace with Runs of the cluster that helm installs to."""

STORES = ("status", "annotations", "sqlite", "postgresql")


@pytest.fixture(scope="session", autouse=True)
def kubelets(request: pytest.FixtureRequest) -> None:
    """Every test here needs real kubelets: the one thing that a machine may truly lack."""
    if choose(request.config.getoption("--cluster")) == "api":
        cannot_run(f"needs real kubelets: {kind_unavailable() or '--cluster=api was given'}")


def store_option(kind: str, request: pytest.FixtureRequest) -> str:
    """Return the `--store` of a kind of store, on a database of its own."""
    if kind == "sqlite":
        folder = request.getfixturevalue("tmp_path_factory").mktemp("store")
        return f"sqlite:///{folder}/state.db"
    if kind == "postgresql":
        return str(request.getfixturevalue("postgres").database())
    return kind


@pytest.fixture(scope="module", params=STORES)
def stored_operator(request: pytest.FixtureRequest, kind_cluster: Cluster) -> Iterator[OperatorProcess]:
    """The operator, watching every namespace of the kind cluster, with each store in turn."""
    with OperatorProcess(kind_cluster, "--store", store_option(request.param, request)) as operator:
        yield operator


@pytest.fixture(scope="session")
def fresh(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A cluster that has never heard of runwarden, with its image."""
    provider = choose(request.config.getoption("--cluster"))
    if provider != "kind":
        cannot_run(f"installs what is cluster-wide, so only on a cluster of its own: {kind_unavailable() or provider}")
    cluster = lifecycle.up("kind")
    try:
        load_reporter_image(cluster)
        for name in (NAMESPACE, TEAM):
            cluster.kubectl("create", "namespace", name)
            cluster.kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
        yield cluster
    finally:
        lifecycle.end(cluster)
