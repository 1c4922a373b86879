"""A replica's Leases of shards: acquires them, and releases those of other replicas once no pass of the shard is running."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Hashable
from typing import Generic, TypeVar

import structlog

from controller.kube.client import Client
from controller.kube.leader_election import LeaderLease
from controller.leadership import lease_observer
from controller.leadership.lease_registry import LeaseRegistry
from controller.leadership.replica import ReplicaIdentity
from controller.leadership.shard_filter import Ownership
from controller.leadership.shard_map import ShardMap

log = structlog.get_logger(__name__)

K = TypeVar("K", bound=Hashable)


class ShardLeases(Generic[K]):
    """One replica's Leases under one shard map. `moved` is called with the shards that it begins or ceases to act for."""

    def __init__(
        self, client: Client, replica: ReplicaIdentity, ownership: Ownership[K], moved: Callable[[frozenset[int]], None]
    ) -> None:
        self._client, self._replica, self._ownership, self._moved = client, replica, ownership, moved
        self._leases: dict[int, LeaderLease] = {}
        self.held: set[int] = set()
        self.layout = ShardMap()

    @property
    def leases(self) -> Collection[LeaderLease]:
        """All Leases that a write of this replica may have acquired."""
        return self._leases.values()

    def adopt(self, layout: ShardMap) -> None:
        """Use a shard map from now on."""
        self.layout, self._ownership.shards = layout, layout.shards
        self._leases.clear()

    def observe(self, registry: LeaseRegistry) -> None:
        """Record the current state of Leases that this replica does not hold."""
        for shard in range(self.layout.shards):
            lease = registry.lease(shard)
            if lease and shard not in self.held:
                self._contender(shard).observe(lease)

    async def hand_over(self, shards: frozenset[int]) -> None:
        """Start no more passes in these shards, and release the Leases of those without a running pass."""
        ceased = shards & self._ownership.acting
        self._ownership.acting -= ceased
        if ceased:
            self._moved(ceased)
        for shard in shards:
            if not self._ownership.busy(shard):
                self.held.discard(shard)
                await self._leases.pop(shard).release()
                log.info("shard handed over", shard=shard)

    async def take(self, shards: frozenset[int], group: asyncio.TaskGroup) -> None:
        """Acquire the free Leases of these shards. Tasks in `group` renew them."""
        for shard in sorted(shards):
            if await self._contender(shard).take():
                self.held.add(shard)
                group.create_task(self._contender(shard).hold(), name=f"shard {shard}")

    def begin(self, shards: frozenset[int]) -> None:
        """Begin to act for shards whose Leases are held."""
        self._ownership.acting |= shards
        self._moved(shards)
        log.info("acting for shards", shards=sorted(shards), of=self.layout.shards, epoch=self.layout.epoch)

    def _contender(self, shard: int) -> LeaderLease:
        if shard not in self._leases:
            notes = {lease_observer.HELD_UNDER: str(self.layout.epoch)}
            self._leases[shard] = self._replica.create_lease(
                self._client, lease_observer.shard_name(self._replica.lease, shard), notes
            )
        return self._leases[shard]
