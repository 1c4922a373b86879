"""Many objects at once, and when what happens to them is seen: what drives a benchmark, past the operator's own client."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from controller.api.base import JsonObject
from controller.cluster.resources import Resource

AT_ONCE = 64
"""Requests under way: enough to keep two cores of API server busy."""
LINE_BYTES = 2**20
NO_LIMIT = aiohttp.ClientTimeout(total=None)

See = Callable[[float, str, JsonObject], None]
"""Takes an event of a watch: when it was seen, its type and the object."""


def session(kubeconfig: Path) -> aiohttp.ClientSession:
    """Return a session with the API server of a kubeconfig of our test clusters, as its user: a certificate or a token."""
    config = yaml.safe_load(kubeconfig.read_text())
    server, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    context = ssl.create_default_context(cafile=server["certificate-authority"])
    headers = {"Authorization": f"Bearer {user['token']}"} if "token" in user else {}
    if "client-certificate" in user:
        context.load_cert_chain(user["client-certificate"], user["client-key"])
    connector = aiohttp.TCPConnector(limit=0, ssl=context)
    return aiohttp.ClientSession(server["server"], connector=connector, headers=headers, timeout=NO_LIMIT, read_bufsize=LINE_BYTES)


async def call(http: aiohttp.ClientSession, method: str, path: str, body: Any = None, **more: Any) -> JsonObject:
    """Send one request and return its answer. Raises ClientResponseError where it is no success."""
    async with http.request(method, path, json=body, raise_for_status=True, **more) as answer:
        found: JsonObject = json.loads(await answer.read())
        return found


async def create(http: aiohttp.ClientSession, resource: Resource, namespace: str, objects: Iterable[JsonObject]) -> float:
    """Create objects as fast as the API server takes them; return when the first was sent."""
    places = asyncio.Semaphore(AT_ONCE)
    path = resource.path(namespace)

    async def one(body: JsonObject) -> None:
        async with places:
            await call(http, "POST", path, body)

    started = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for body in objects:
            group.create_task(one(body))
    return started


async def delete_all(http: aiohttp.ClientSession, resource: Resource, namespace: str) -> None:
    """Ask for every object of a namespace to be deleted."""
    await call(http, "DELETE", resource.path(namespace), {"propagationPolicy": "Background"})


async def any_left(http: aiohttp.ClientSession, resource: Resource, namespace: str) -> bool:
    """Whether a namespace still holds an object."""
    return bool((await call(http, "GET", resource.path(namespace), params={"limit": "1"}))["items"])


@asynccontextmanager
async def watching(http: aiohttp.ClientSession, resource: Resource, namespace: str, see: See) -> AsyncIterator[asyncio.Task[None]]:
    """Tell of everything that happens from here on; the task ends only where the watch breaks."""
    path = resource.path(namespace)
    version = (await call(http, "GET", path, params={"limit": "1"}))["metadata"]["resourceVersion"]
    task = asyncio.create_task(_watch(http, path, version, see))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _watch(http: aiohttp.ClientSession, path: str, version: str, see: See) -> None:
    query = {"watch": "1", "resourceVersion": version}
    async with http.get(path, params=query, raise_for_status=True) as answer:
        async for line in answer.content:
            event = json.loads(line)
            see(time.monotonic(), event["type"], event["object"])
