"""The shards' Leases that a replica holds: takes them, and gives up what is another's once nothing of it is in hand."""

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
    """What one replica holds under one layout. `moved` hears of shards that it begins or ceases to act for."""

    def __init__(
        self, client: Client, seat: ReplicaIdentity, ownership: Ownership[K], moved: Callable[[frozenset[int]], None]
    ) -> None:
        self._client, self._seat, self._ownership, self._moved = client, seat, ownership, moved
        self._leases: dict[int, LeaderLease] = {}
        self.held: set[int] = set()
        self.layout = ShardMap()

    @property
    def leases(self) -> Collection[LeaderLease]:
        """Every Lease that a write of ours may have taken."""
        return self._leases.values()

    def adopt(self, layout: ShardMap) -> None:
        """Go by a layout from now on."""
        self.layout, self._ownership.shards = layout, layout.shards
        self._leases.clear()

    def observe(self, board: LeaseRegistry) -> None:
        """Take note of the others' Leases as they were just seen."""
        for shard in range(self.layout.shards):
            lease = board.lease(shard)
            if lease and shard not in self.held:
                self._contender(shard).observe(lease)

    async def hand_over(self, shards: frozenset[int]) -> None:
        """Begin nothing more in these shards, and give up the Leases of those where nothing is in hand any more."""
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
        """Take those of these shards' Leases that are to be had; `group` keeps them."""
        for shard in sorted(shards):
            if await self._contender(shard).take():
                self.held.add(shard)
                group.create_task(self._contender(shard).hold(), name=f"shard {shard}")

    def begin(self, shards: frozenset[int]) -> None:
        """Act for shards that are held."""
        self._ownership.acting |= shards
        self._moved(shards)
        log.info("acting", shards=sorted(shards), of=self.layout.shards, epoch=self.layout.epoch)

    def _contender(self, shard: int) -> LeaderLease:
        if shard not in self._leases:
            notes = {lease_observer.HELD_UNDER: str(self.layout.epoch)}
            self._leases[shard] = self._seat.create_lease(self._client, lease_observer.shard_name(self._seat.lease, shard), notes)
        return self._leases[shard]
