"""An API server that keeps Leases in memory: compare-and-swap as in the real one, with random response times."""

from __future__ import annotations

import asyncio
import copy
import itertools
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from random import Random

from controller.api.base import JsonObject
from controller.kube.client import Page
from controller.kube.errors import AlreadyExists, Conflict, NotFound
from controller.kube.resources import Resource
from tests.unit.leadership.virtual import monotonic

SLOWEST_SECONDS = 0.6
"""Slowest response: shorter than the interval between observations, so that reads and writes of several replicas overlap."""


class Office:
    """The part of `Client` that a replica uses. `glance` is called whenever a request starts, arrives or returns."""

    def __init__(self, draw: Random, glance: Callable[[], None]) -> None:
        self._draw, self._glance = draw, glance
        self._version = itertools.count(1)
        self._since = timedelta(0)
        self.leases: dict[str, JsonObject] = {}

    def desk(self) -> Office:
        """Return the same API for a process that starts now."""
        one = copy.copy(self)
        one._since = timedelta(seconds=monotonic())
        return one

    def server_now(self) -> datetime:
        """Return the server's time, which counts from the start of the process: all replicas are one process here."""
        return datetime(2026, 1, 1, tzinfo=UTC) + self._since + timedelta(seconds=monotonic())

    async def pages(self, *_: object, **__: object) -> AsyncIterator[Page]:
        """Return no Runs."""
        await self._on_the_way()
        yield Page([], "1", follows=False)

    async def get(self, _: Resource, __: str, name: str) -> JsonObject:
        """Return the current Lease."""
        await self._on_the_way()
        if name not in self.leases:
            raise NotFound(name, 404, "NotFound", "")
        found = copy.deepcopy(self.leases[name])
        await self._on_the_way()
        return found

    async def create(self, _: Resource, __: str, lease: JsonObject) -> JsonObject:
        """Store a new Lease."""
        await self._on_the_way()
        if lease["metadata"]["name"] in self.leases:
            raise AlreadyExists(lease["metadata"]["name"], 409, "AlreadyExists", "")
        return await self._keep(lease)

    async def replace(self, _: Resource, __: str, name: str, lease: JsonObject) -> JsonObject:
        """Replace the version of a Lease that was read."""
        await self._on_the_way()
        if lease["metadata"]["resourceVersion"] != self.leases[name]["metadata"]["resourceVersion"]:
            raise Conflict(name, 409, "Conflict", "")
        return await self._keep(lease)

    async def _keep(self, lease: JsonObject) -> JsonObject:
        kept = copy.deepcopy(lease)
        kept["metadata"]["resourceVersion"] = str(next(self._version))
        self.leases[kept["metadata"]["name"]] = kept
        await self._on_the_way()
        return kept

    async def _on_the_way(self) -> None:
        self._glance()
        await asyncio.sleep(self._draw.uniform(0, SLOWEST_SECONDS / 2))
