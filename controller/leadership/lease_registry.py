"""The Leases of one name as all replicas see them: read by their names, and written where they are nobody's own.

A list would say the same with one request, and would need a right to all Leases of the namespace.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

import structlog

from controller.api.base import JsonObject
from controller.kube.client import Client
from controller.kube.errors import Conflict, NotFound
from controller.kube.resources import LEASES
from controller.leadership.lease_observer import LeaseObserver, layout_of, replica_name, shard_name, with_layout
from controller.leadership.shard_map import ShardMap, View

log = structlog.get_logger(__name__)


class LeaseRegistry:
    """Reads the Leases and writes the layout. Every method that waits raises ApiError."""

    def __init__(self, client: Client, namespace: str, lease: str) -> None:
        self._client, self._namespace, self._lease = client, namespace, lease
        self._lookout = LeaseObserver(lease)
        self._places = 0

    @property
    def free_place(self) -> int:
        """The first replica's place that nobody has."""
        return self._lookout.free_place

    def lease(self, shard: int) -> JsonObject | None:
        """Return a shard's Lease as it was last seen."""
        return self._lookout.leases.get(shard_name(self._lease, shard))

    async def look(self) -> View:
        """Read all Leases, each from the API server's storage."""
        first = await self._read(self._lease)
        others = [self._read(shard_name(self._lease, shard)) for shard in range(1, layout_of(first).most)]
        found = [first, *await asyncio.gather(*others), *await self._replicas()]
        return self._lookout.look((lease for lease in found if lease), time.monotonic())

    async def _replicas(self) -> list[JsonObject | None]:
        """Read the replicas' Leases. Places are taken from 0 on; one that was seen is read again, also if one before it is gone."""
        found = list(await asyncio.gather(*map(self._replica, range(self._places + 1))))
        while found[-1]:
            found.append(await self._replica(len(found)))
        self._places = len(found) - 1
        return found

    async def _replica(self, place: int) -> JsonObject | None:
        return await self._read(replica_name(self._lease, place))

    async def _read(self, name: str) -> JsonObject | None:
        try:
            return await self._client.get(LEASES, self._namespace, name)
        except NotFound:
            return None

    async def clear_dead(self) -> None:
        """Empty the Leases of replicas that are dead, so that their places are taken again."""
        for lease in self._lookout.dead:
            emptied = {**lease, "spec": lease["spec"] | {"holderIdentity": "", "leaseDurationSeconds": 1}}
            with suppress(Conflict):  # It lives after all, or another was quicker.
                await self._client.replace(LEASES, self._namespace, lease["metadata"]["name"], emptied)

    async def write(self, layout: ShardMap) -> bool:
        """Write the layout of the next epoch, unless another has written one since; return whether it was written.

        The Lease is read anew: a look takes its time, and whoever holds the Lease renews it meanwhile.
        """
        there = await self._read(self._lease)
        if layout_of(there).epoch >= layout.epoch:
            return False
        if there is None:
            blank = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": self._lease}, "spec": {}}
            await self._client.create(LEASES, self._namespace, with_layout(blank, layout))
        else:
            await self._client.replace(LEASES, self._namespace, self._lease, with_layout(there, layout))
        log.info("layout written", shards=layout.shards, epoch=layout.epoch)
        return True
