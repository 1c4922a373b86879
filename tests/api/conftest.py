"""The operator's own client against the real API server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from controller.kube.client import Client
from controller.kube.connection import connect
from tests.cluster import Cluster

TLS_GOODBYE_SECONDS = 0.25
"""aiohttp needs this time before its loop ends: a TLS connection that was dropped midway (a watch) closes a little later.
https://docs.aiohttp.org/en/stable/client_advanced.html#graceful-shutdown"""


@pytest.fixture
async def client(api_cluster: Cluster) -> AsyncIterator[Client]:
    """The client, as the cluster's admin."""
    async with Client(await connect(api_cluster.kubeconfig)) as opened:
        yield opened
    await asyncio.sleep(TLS_GOODBYE_SECONDS)
