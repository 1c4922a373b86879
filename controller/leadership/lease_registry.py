"""Reads all Leases of one name, each by its own name, and writes those that no replica owns.

A list would need only one request, but also a right to all Leases of the namespace.
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
    """Reads the Leases and writes the shard map. All async methods may raise ApiError."""

    def __init__(self, client: Client, namespace: str, lease: str) -> None:
        self._client, self._namespace, self._lease = client, namespace, lease
        self._observer = LeaseObserver(lease)
        self._slots = 0

    @property
    def free_slot(self) -> int:
        """The first free slot for a replica."""
        return self._observer.free_slot

    def lease(self, shard: int) -> JsonObject | None:
        """Return a shard's Lease as it was last read."""
        return self._observer.leases.get(shard_name(self._lease, shard))

    async def look(self) -> View:
        """Read all Leases, each from the API server's storage."""
        first = await self._read(self._lease)
        others = [self._read(shard_name(self._lease, shard)) for shard in range(1, layout_of(first).most)]
        leases = [first, *await asyncio.gather(*others), *await self._replicas()]
        return self._observer.look((lease for lease in leases if lease), time.monotonic())

    async def _replicas(self) -> list[JsonObject | None]:
        """Read the replicas' Leases. Slots are used from 0 on. Known slots are read again even if an earlier one is gone."""
        leases = list(await asyncio.gather(*map(self._replica, range(self._slots + 1))))
        while leases[-1]:
            leases.append(await self._replica(len(leases)))
        self._slots = len(leases) - 1
        return leases

    async def _replica(self, slot: int) -> JsonObject | None:
        return await self._read(replica_name(self._lease, slot))

    async def _read(self, name: str) -> JsonObject | None:
        try:
            return await self._client.get(LEASES, self._namespace, name)
        except NotFound:
            return None

    async def clear_dead(self) -> None:
        """Clear the holder of dead replicas' Leases, so that their slots are reused."""
        for lease in self._observer.dead:
            emptied = {**lease, "spec": lease["spec"] | {"holderIdentity": "", "leaseDurationSeconds": 1}}
            with suppress(Conflict):  # The replica is alive after all, or another one was quicker.
                await self._client.replace(LEASES, self._namespace, lease["metadata"]["name"], emptied)

    async def write(self, layout: ShardMap) -> bool:
        """Write the shard map of the next epoch, unless another replica has written one. Return whether it was written.

        The Lease is read again first: a look takes some time, and the holder of the Lease may have renewed it meanwhile.
        """
        current = await self._read(self._lease)
        if layout_of(current).epoch >= layout.epoch:
            return False
        if current is None:
            blank = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": self._lease}, "spec": {}}
            await self._client.create(LEASES, self._namespace, with_layout(blank, layout))
        else:
            await self._client.replace(LEASES, self._namespace, self._lease, with_layout(current, layout))
        log.info("shard map written", shards=layout.shards, epoch=layout.epoch)
        return True
