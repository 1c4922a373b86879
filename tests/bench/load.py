"""The load of a benchmark, without the operator's own client: it creates many objects at once and records the times of their
events.
"""

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
"""Concurrent requests: enough to keep two cores of API server busy."""

See = Callable[[float, str, JsonObject], None]
"""A callback for an event of a watch, with its time, type and object."""


class WatchLost(Exception):
    """A watch lost events."""


async def create(http: aiohttp.ClientSession, resource: Resource, namespace: str, objects: Iterable[JsonObject]) -> float:
    """Create objects as fast as the API server accepts them; return the time of the first request."""
    started, path = time.monotonic(), resource.path(namespace)
    await all_of(partial(call, http, "POST", path, body) for body in objects)
    return started


async def all_of(requests: Iterable[Callable[[], Awaitable[object]]]) -> None:
    """Send requests, some of them at once; the first failure ends the others."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(request: Callable[[], Awaitable[object]]) -> None:
        async with places:
            await request()

    async with asyncio.TaskGroup() as group:
        for request in requests:
            group.create_task(one(request))


async def delete_all(http: aiohttp.ClientSession, resource: Resource, namespace: str) -> None:
    """Request the deletion of every object of a namespace: with thousands the API server needs a minute, and is asked again."""
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
    """Report every event from now on.

    A watch that is lost for good ends the context, with WatchLost.
    """
    path = resource.path(namespace)
    version = (await call(http, "GET", path, params={"limit": "1"}))["metadata"]["resourceVersion"]
    async with asyncio.TaskGroup() as group:
        task = group.create_task(_watch(http, path, version, see))
        yield
        task.cancel()


async def _watch(http: aiohttp.ClientSession, path: str, version: str, see: See) -> None:
    while True:  # The API server closes the watch of a slow reader; it continues from its last version.
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
    """Drop an answer's connection when the context ends: TLS would send its closing message, and the loop may end before that."""
    try:
        yield
    finally:
        if answer.connection and answer.connection.transport:
            answer.connection.transport.abort()
