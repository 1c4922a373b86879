"""An API server that keeps Leases in memory: compare-and-swap as the real one, answers after a time that is drawn."""

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
"""Of an answer: less than the time between two looks, so that looks and writes of several replicas overlap."""


class Office:
    """What of `Client` a replica uses. `glance` is called whenever a request sets out, arrives or comes back."""

    def __init__(self, draw: Random, glance: Callable[[], None]) -> None:
        self._draw, self._glance = draw, glance
        self._version = itertools.count(1)
        self._since = timedelta(0)
        self.leases: dict[str, JsonObject] = {}

    def desk(self) -> Office:
        """Return the same for a process that starts now."""
        one = copy.copy(self)
        one._since = timedelta(seconds=monotonic())
        return one

    def server_now(self) -> datetime:
        """Return the server's time, as far as it tells when the process was started: all are one process here."""
        return datetime(2026, 1, 1, tzinfo=UTC) + self._since + timedelta(seconds=monotonic())

    async def pages(self, *_: object, **__: object) -> AsyncIterator[Page]:
        """Return no Runs."""
        await self._on_the_way()
        yield Page([], "1", follows=False)

    async def get(self, _: Resource, __: str, name: str) -> JsonObject:
        """Return a Lease as it is now."""
        await self._on_the_way()
        if name not in self.leases:
            raise NotFound(name, 404, "NotFound", "")
        found = copy.deepcopy(self.leases[name])
        await self._on_the_way()
        return found

    async def create(self, _: Resource, __: str, lease: JsonObject) -> JsonObject:
        """Keep a Lease that is not there yet."""
        await self._on_the_way()
        if lease["metadata"]["name"] in self.leases:
            raise AlreadyExists(lease["metadata"]["name"], 409, "AlreadyExists", "")
        return await self._keep(lease)

    async def replace(self, _: Resource, __: str, name: str, lease: JsonObject) -> JsonObject:
        """Keep a Lease in place of the version that was read."""
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
