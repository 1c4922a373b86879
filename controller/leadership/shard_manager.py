"""Runs a replica: renews its own Lease and those of its shards, follows the shard map, and hands over shards of other replicas.

It reads all Leases once in each retry period. It acquires a shard's Lease first and reads all Leases again before it acts: if two
replicas do so, at least one sees the other. A lost Lease ends the process, as with a single leader.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, TypeVar

import structlog

from controller.kube.client import Client
from controller.kube.errors import ApiError
from controller.kube.leader_election import LeaderLease
from controller.leadership import lease_observer, readiness
from controller.leadership.lease_registry import LeaseRegistry
from controller.leadership.replica import ReplicaIdentity
from controller.leadership.shard_filter import Ownership
from controller.leadership.shard_leases import ShardLeases
from controller.leadership.shard_map import (
    Mode,
    ShardMap,
    View,
    all_released,
    can_return_to_single_leader,
    due,
    newest_replica,
    proposal,
)
from controller.observability.health import Note

log = structlog.get_logger(__name__)

K = TypeVar("K", bound=Hashable)

STARTED = time.monotonic()
"""Approximate start time of this process. The most recently started replica decides the shard count."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """Callbacks.

    `refresh` runs before the first action in a shard, `moved` when this replica begins or ceases to act for shards, and `over` when
    the process must continue in another mode.
    """

    refresh: Callable[[], Awaitable[None]]
    moved: Callable[[frozenset[int]], None]
    over: Callable[[Mode], None]


class ShardManager(Generic[K]):
    """One replica among those that share the Runs."""

    def __init__(self, client: Client, replica: ReplicaIdentity, ownership: Ownership[K], hooks: Hooks) -> None:
        self._client, self._replica, self._ownership, self._hooks = client, replica, ownership, hooks
        self._shard_leases = ShardLeases(client, replica, ownership, hooks.moved)
        self._registry = LeaseRegistry(client, replica.namespace, replica.lease)
        self._notes: dict[str, str] = {}
        self._own_lease: LeaderLease | None = None
        self._view = View()
        self._due: frozenset[int] | None = None
        self._joined = self._leaving = False
        self._turn = asyncio.Lock()

    @property
    def layout(self) -> ShardMap:
        """The number of shards and the epoch that this replica uses."""
        return self._shard_leases.layout

    @property
    def is_leader(self) -> bool:
        """Whether this replica acts for any shard."""
        return bool(self._ownership.acting)

    @property
    def standing(self) -> tuple[int, int, frozenset[int]]:
        """The number of shards, its epoch, and the shards that this replica acts for."""
        return self.layout.shards, self.layout.epoch, self._ownership.acting

    @property
    def problem(self) -> str | None:
        """The reason why this replica does not act for all of its shards; a Note if it does."""
        if self._due is None:
            return readiness.NOT_YET
        if waiting := self._due - self._ownership.acting:
            return readiness.waiting_message(waiting)
        return Note(
            readiness.acting_message(self._ownership.acting, self.layout, self._replica.wanted_shards, newest_replica(self._view))
        )

    async def acquire(self) -> None:
        """Return once this replica has acquired a slot of its own. It has no shard map and acts for no shard yet."""
        while True:
            try:
                if await self._join():
                    return
            except ApiError as error:
                log.warning("cannot join the other replicas", lease=self._replica.lease, error=str(error))
            await asyncio.sleep(self._replica.timings.retry_period)

    def begin(self) -> None:
        """Mark this replica as ready: from now on it is assigned its share of the shards."""
        self._notes[lease_observer.READY] = "true"

    async def hold(self) -> None:
        """Run until released. Raises LeaseLost (in a group) if a Lease could not be renewed in time or another process holds it."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._own().hold(), name="replica's lease")
            while not self._leaving:
                try:
                    async with self._turn:
                        await self._tick(group)
                except ApiError as error:
                    log.warning("cannot update the shards, retrying", error=str(error))
                await asyncio.sleep(self._replica.timings.retry_period)

    async def release(self) -> None:
        """Release all Leases, including one that is being acquired: it would block the others until it expires."""
        self._leaving, self._ownership.acting = True, frozenset()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._replica.timings.renew_deadline), self._turn:
                pass
        leases = [lease for lease in (self._own_lease, *self._shard_leases.leases) if lease]
        await asyncio.gather(*(lease.release() for lease in leases))

    async def _join(self) -> bool:
        """Acquire a free slot. If another replica was quicker, the caller tries again with another slot."""
        await self._look()
        since = self._client.server_now() - timedelta(seconds=time.monotonic() - STARTED)
        self._notes |= {
            lease_observer.SHARDS: str(self._replica.wanted_shards),
            lease_observer.SINCE: since.isoformat(),
            lease_observer.READY: "false",
        }
        name = lease_observer.replica_name(self._replica.lease, self._registry.free_slot)
        self._own_lease = self._replica.create_lease(self._client, name, self._notes)
        return await self._own_lease.take()

    async def _tick(self, group: asyncio.TaskGroup) -> None:
        view = await self._look()
        await self._registry.clear_dead()
        if self._leaving or not await self._adopted(view):
            return
        me = self._replica.identity
        if not any(replica.name == me and replica.ready for replica in view.replicas):
            return
        mine = self._due = due(view, me)
        await self._shard_leases.hand_over(frozenset(self._shard_leases.held) - mine)
        await self._shard_leases.take(mine - self._shard_leases.held, group)
        await self._act(mine & self._shard_leases.held)

    async def _adopted(self, view: View) -> bool:
        """Whether the view has the shard map that this replica uses. It adopts the first one, and restarts when it sees another.

        Before the restart the running passes are finished; after it the replica adopts the new shard map. A shard map that this
        replica has just written itself is in the view of the next look.
        """
        wanted = proposal(view, self._replica.identity)
        if wanted and not await self._registry.write(wanted):
            return False
        layout = wanted or view.layout
        if not self._joined:
            self._joined = True
            self._shard_leases.adopt(layout)
            log.info("joined", shards=layout.shards, epoch=layout.epoch, identity=self._replica.identity)
        if layout != self.layout:
            log.info("the shard map has changed", before=self.layout.shards, shards=layout.shards, epoch=layout.epoch)
            self._leave(Mode.SHARED)
        elif can_return_to_single_leader(view):
            self._leave(Mode.ALONE)
        return not self._leaving and layout == view.layout

    def _leave(self, mode: Mode) -> None:
        self._leaving = True
        self._hooks.over(mode)

    async def _act(self, shards: frozenset[int]) -> None:
        """Begin to act for held shards, once no replica acts under another epoch and the caches were refreshed after that."""
        fresh = shards - self._ownership.acting
        if not fresh:
            return
        view = await self._look()
        if view.layout != self.layout or not all_released(view):
            return
        await self._hooks.refresh()
        if not self._leaving:
            self._shard_leases.begin(fresh)

    async def _look(self) -> View:
        self._view = await self._registry.look()
        self._shard_leases.observe(self._registry)
        return self._view

    def _own(self) -> LeaderLease:
        if self._own_lease is None:
            raise RuntimeError("acquire a slot before holding it")
        return self._own_lease
