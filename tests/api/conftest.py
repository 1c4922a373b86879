"""A real API server, and the operator and its own client against it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator

import pytest

from controller.kube.client import Client
from controller.kube.connection import connect
from tests import users
from tests.api.operators import OperatorAccount
from tests.cluster import Cluster, lifecycle
from tests.conftest import install
from tests.plugin import Plugin
from tests.support import OperatorProcess

TLS_GOODBYE_SECONDS = 0.25
"""aiohttp needs this time before its loop ends: a TLS connection that was dropped midway (a watch) closes a little later.
https://docs.aiohttp.org/en/stable/client_advanced.html#graceful-shutdown"""


@pytest.fixture(scope="package")
def api_cluster() -> Iterator[Cluster]:
    """A real API server with two simulated nodes, an audit log and our CRDs. It ends with the last test here."""
    cluster = lifecycle.up("api", kwok_nodes=2, garbage=True)
    try:
        install(cluster)
        yield cluster
    finally:
        lifecycle.end(cluster)


@pytest.fixture(scope="module")
def api_operator(api_cluster: Cluster) -> Iterator[OperatorProcess]:
    """The operator, watching every namespace of the API server."""
    with OperatorProcess(api_cluster) as operator:
        yield operator


@pytest.fixture(scope="module")
def account(api_cluster: Cluster) -> Iterator[OperatorAccount]:
    """The operator's account, which the admission policies restrict to agents' pods."""
    home = f"home-{uuid.uuid4().hex[:8]}"
    yield OperatorAccount(users.operator_account(api_cluster, home), home)
    api_cluster.kubectl("delete", "namespace", home, "--wait=false")


@pytest.fixture
def rw(api_cluster: Cluster, namespace: str) -> Plugin:
    """The plugin, as the cluster's admin."""
    return Plugin(api_cluster, namespace)


@pytest.fixture
def operator(api_cluster: Cluster, namespace: str) -> Iterator[OperatorProcess]:
    """An operator of this namespace alone."""
    with OperatorProcess(api_cluster, "--namespace", namespace, "--lease-name", namespace) as process:
        yield process


@pytest.fixture
async def client(api_cluster: Cluster) -> AsyncIterator[Client]:
    """The client, as the cluster's admin."""
    async with Client(await connect(api_cluster.kubeconfig)) as opened:
        yield opened
    await asyncio.sleep(TLS_GOODBYE_SECONDS)
