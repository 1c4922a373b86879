"""A client built from a kubeconfig, as the operator builds it, for a server that misbehaves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer

from controller.kube.client import Client
from controller.kube.connection import Connection, connect
from tests.unit.kube.faults import FaultyServer


@pytest.fixture
def faulty() -> FaultyServer:
    return FaultyServer()


@pytest.fixture
async def connection(faulty: FaultyServer, tmp_path: Path) -> AsyncIterator[Connection]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", faulty.handle)
    async with TestServer(app, shutdown_timeout=0) as server:
        kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", str(server.make_url("")).rstrip("/"))
        yield await connect(kubeconfig)


@pytest.fixture
async def client(connection: Connection) -> AsyncIterator[Client]:
    async with Client(connection) as opened:
        yield opened


def write_kubeconfig(path: Path, server: str, **more: str) -> Path:
    """Write a kubeconfig for a server, with a token; `more` are fields of its cluster."""
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": server} | more}],
        "users": [{"name": "u", "user": {"token": "s3cret"}}],
    }
    path.write_text(yaml.safe_dump(config))
    return path
