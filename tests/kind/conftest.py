"""The operator on real kubelets with each of its stores."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster import Cluster
from tests.support import OperatorProcess

STORES = ("status", "annotations", "sqlite", "postgresql")


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
