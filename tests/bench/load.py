"""Many objects at once, and when what happens to them is seen: what drives a benchmark, past the operator's own client."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus

import aiohttp

from controller.api.base import JsonObject
from controller.kube.resources import Resource
from tests.bench.wire import call

AT_ONCE = 64
"""Requests under way: enough to keep two cores of API server busy."""

See = Callable[[float, str, JsonObject], None]
"""Takes an event of a watch: when it was seen, its type and the object."""


class WatchLost(Exception):
    """What was watched cannot be told without a gap."""


async def create(http: aiohttp.ClientSession, resource: Resource, namespace: str, objects: Iterable[JsonObject]) -> float:
    """Create objects as fast as the API server takes them; return when the first was sent."""
    started, path = time.monotonic(), resource.path(namespace)
    await all_of(partial(call, http, "POST", path, body) for body in objects)
    return started


async def all_of(requests: Iterable[Callable[[], Awaitable[object]]]) -> None:
    """Make requests, some of them at once; the first that fails ends the others."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(request: Callable[[], Awaitable[object]]) -> None:
        async with places:
            await request()

    async with asyncio.TaskGroup() as group:
        for request in requests:
            group.create_task(one(request))


async def delete_all(http: aiohttp.ClientSession, resource: Resource, namespace: str) -> None:
    """Ask for every object of a namespace to be deleted: of thousands the API server deletes for a minute, and is asked again."""
    while True:
        try:
            await call(http, "DELETE", resource.path(namespace), {"propagationPolicy": "Background"})
        except aiohttp.ClientResponseError as error:
            if error.status != HTTPStatus.GATEWAY_TIMEOUT:
                raise
        else:
            return


async def any_left(http: aiohttp.ClientSession, resource: Resource, namespace: str) -> bool:
    """Whether a namespace still holds an object."""
    return bool((await call(http, "GET", resource.path(namespace), params={"limit": "1"}))["items"])


@asynccontextmanager
async def watching(http: aiohttp.ClientSession, resource: Resource, namespace: str, see: See) -> AsyncIterator[None]:
    """Tell of everything that happens from here on. A watch that is lost for good ends the context, with WatchLost."""
    path = resource.path(namespace)
    version = (await call(http, "GET", path, params={"limit": "1"}))["metadata"]["resourceVersion"]
    async with asyncio.TaskGroup() as group:
        task = group.create_task(_watch(http, path, version, see))
        yield
        task.cancel()


async def _watch(http: aiohttp.ClientSession, path: str, version: str, see: See) -> None:
    while True:  # The API server closes a watch whose reader is slow for a moment; it goes on where it ended.
        query = {"watch": "1", "resourceVersion": version}
        async with http.get(path, params=query, raise_for_status=True) as answer, _dropped(answer):
            async for line in answer.content:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise WatchLost(f"{path}: {event['object']}")
                version = event["object"]["metadata"]["resourceVersion"]
                see(time.monotonic(), event["type"], event["object"])


@asynccontextmanager
async def _dropped(answer: aiohttp.ClientResponse) -> AsyncIterator[None]:
    """Drop an answer's connection when the context ends: TLS would say goodbye on it, and our loop may be over before that."""
    try:
        yield
    finally:
        if answer.connection and answer.connection.transport:
            answer.connection.transport.abort()
