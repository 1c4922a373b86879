"""A proxy before an API server that refuses or delays requests on demand: clients see an overloaded API server."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp
import yaml
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from tests.bench.wire import session
from tests.cluster import Cluster

OWN_HEADERS = frozenset({"authorization", "connection", "content-encoding", "content-length", "host", "transfer-encoding"})
"""The headers that belong to each of the two connections."""
LARGEST_BODY = 2**24


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault for a request: a delay in seconds, then an error code, or the API server's answer if that is 0."""

    code: int = 0
    retry_after: int = 0
    delay: float = 0.0


Judge = Callable[[str, str], Fault | None]
"""Returns the fault for a request's method and path."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, and the time of its arrival."""

    at: float
    method: str
    path: str


class Front:
    """Answers for the API server, as its admin.

    `judge` may be changed at any time. `refused` and `passed` are the requests so far that it refused and that it passed on.
    """

    def __init__(self) -> None:
        self.judge: Judge = lambda _method, _path: None
        self.refused: list[Asked] = []
        self.passed: list[Asked] = []

    async def handle(self, http: aiohttp.ClientSession, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        asked = Asked(time.monotonic(), request.method, request.path)
        fault = self.judge(request.method, request.path) or Fault()
        await asyncio.sleep(fault.delay)
        if fault.code:
            self.refused.append(asked)
            return web.json_response({"kind": "Status"}, status=fault.code, headers={"Retry-After": str(fault.retry_after)})
        self.passed.append(asked)
        return await _forward(http, request)


@contextmanager
def front_of(cluster: Cluster) -> Iterator[tuple[Front, Cluster]]:
    """Run a proxy before a cluster's API server; yield it, and the cluster as seen through it."""
    front, loop = Front(), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    serving = _serving(front, cluster)
    port = asyncio.run_coroutine_threadsafe(_begin(serving), loop).result()
    try:
        yield front, replace(cluster, kubeconfig=_kubeconfig(cluster, port))
    finally:
        asyncio.run_coroutine_threadsafe(_end(serving), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _begin(serving: AsyncIterator[int]) -> int:
    return await anext(serving)


async def _end(serving: AsyncIterator[int]) -> None:
    async for _ in serving:
        raise AssertionError("it serves once")


async def _serving(front: Front, cluster: Cluster) -> AsyncIterator[int]:
    """Serve on a port of its own, which is reported, until asked for another."""
    async with session(cluster.kubeconfig) as http, _app(front, http) as runner:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port: int = runner.addresses[0][1]
        yield port


@asynccontextmanager
async def _app(front: Front, http: aiohttp.ClientSession) -> AsyncIterator[web.AppRunner]:
    async def handle(request: web.Request) -> web.StreamResponse:
        return await front.handle(http, request)

    app = web.Application(client_max_size=LARGEST_BODY)
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0)
    await runner.setup()
    try:
        yield runner
    finally:
        await runner.cleanup()


async def _forward(http: aiohttp.ClientSession, request: web.Request) -> web.StreamResponse:
    """Pass a request on and stream its answer back: a watch has no end."""
    url, body = URL(request.raw_path, encoded=True), await request.read()
    async with http.request(request.method, url, data=body or None, headers=_passed(request.headers)) as answer:
        response = web.StreamResponse(status=answer.status, headers=_passed(answer.headers))
        await response.prepare(request)
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
    return response


def _passed(headers: Mapping[str, str]) -> CIMultiDict[str]:
    found = CIMultiDict(headers)
    for name in OWN_HEADERS:
        found.popall(name, None)
    return found


def _kubeconfig(cluster: Cluster, port: int) -> Path:
    config = {
        "current-context": "front",
        "contexts": [{"name": "front", "context": {"cluster": "front", "user": "anybody"}}],
        "clusters": [{"name": "front", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "anybody", "user": {}}],
    }
    path = cluster.directory / f"front-{port}.kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path
