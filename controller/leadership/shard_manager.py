"""Takes part: keeps this replica's Lease and those of its shards, follows the layout, and hands over what is another's due.

Every retry period it looks at all Leases once. It takes a shard's Lease first and looks again before it acts: of two that do so,
one sees the other. A lost Lease ends the process, as a lone operator's does.
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
"""When this process was started, near enough: who was started last speaks for all."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """Whom to call: before the first act in a shard, when shards began or ceased to be ours, and when this life is over."""

    refresh: Callable[[], Awaitable[None]]
    moved: Callable[[frozenset[int]], None]
    over: Callable[[Mode], None]


class ShardManager(Generic[K]):
    """The part of one replica in the work."""

    def __init__(self, client: Client, seat: ReplicaIdentity, ownership: Ownership[K], hooks: Hooks) -> None:
        self._client, self._seat, self._ownership, self._hooks = client, seat, ownership, hooks
        self._hand = ShardLeases(client, seat, ownership, hooks.moved)
        self._board = LeaseRegistry(client, seat.namespace, seat.lease)
        self._notes: dict[str, str] = {}
        self._replica: LeaderLease | None = None
        self._view = View()
        self._due: frozenset[int] | None = None
        self._joined = self._leaving = False
        self._turn = asyncio.Lock()

    @property
    def layout(self) -> ShardMap:
        """The number of shards and the epoch that this replica goes by."""
        return self._hand.layout

    @property
    def is_leader(self) -> bool:
        """Whether this replica acts for any shard."""
        return bool(self._ownership.acting)

    @property
    def standing(self) -> tuple[int, int, frozenset[int]]:
        """The number of shards, its epoch, and those that this replica acts for."""
        return self.layout.shards, self.layout.epoch, self._ownership.acting

    @property
    def problem(self) -> str | None:
        """Return what keeps this replica from its part; a Note where nothing does."""
        if self._due is None:
            return readiness.NOT_YET
        if waiting := self._due - self._ownership.acting:
            return readiness.waiting_message(waiting)
        return Note(
            readiness.acting_message(self._ownership.acting, self.layout, self._seat.wanted_shards, newest_replica(self._view))
        )

    async def acquire(self) -> None:
        """Return when this replica has a place among the others; it goes by no layout and acts for nothing yet."""
        while True:
            try:
                if await self._join():
                    return
            except ApiError as error:
                log.warning("cannot join the other operators", lease=self._seat.lease, error=str(error))
            await asyncio.sleep(self._seat.timings.retry_period)

    def begin(self) -> None:
        """Say that this replica can work: from now on it is given its share."""
        self._notes[lease_observer.READY] = "true"

    async def hold(self) -> None:
        """Take part until released. Raises LeaseLost (in a group) when a Lease could not be renewed in time or another has it."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._own().hold(), name="replica's lease")
            while not self._leaving:
                try:
                    async with self._turn:
                        await self._tick(group)
                except ApiError as error:
                    log.warning("cannot see to the shards, trying again", error=str(error))
                await asyncio.sleep(self._seat.timings.retry_period)

    async def release(self) -> None:
        """Give every Lease up, also one that is being taken: it would be held by nobody until it runs out."""
        self._leaving, self._ownership.acting = True, frozenset()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._seat.timings.renew_deadline), self._turn:
                pass
        leases = [lease for lease in (self._replica, *self._hand.leases) if lease]
        await asyncio.gather(*(lease.release() for lease in leases))

    async def _join(self) -> bool:
        """Take a free replica's place; a place that is taken first by another is tried again elsewhere."""
        await self._look()
        since = self._client.server_now() - timedelta(seconds=time.monotonic() - STARTED)
        self._notes |= {
            lease_observer.SHARDS: str(self._seat.wanted_shards),
            lease_observer.SINCE: since.isoformat(),
            lease_observer.READY: "false",
        }
        place = lease_observer.replica_name(self._seat.lease, self._board.free_place)
        self._replica = self._seat.create_lease(self._client, place, self._notes)
        return await self._replica.take()

    async def _tick(self, group: asyncio.TaskGroup) -> None:
        view = await self._look()
        await self._board.clear_dead()
        if self._leaving or not await self._adopted(view):
            return
        me = self._seat.identity
        if not any(replica.name == me and replica.ready for replica in view.replicas):
            return
        mine = self._due = due(view, me)
        await self._hand.hand_over(frozenset(self._hand.held) - mine)
        await self._hand.take(mine - self._hand.held, group)
        await self._act(mine & self._hand.held)

    async def _adopted(self, view: View) -> bool:
        """Whether what was seen is the layout that this replica goes by. The first it adopts; with another it begins anew.

        What is in hand is finished first, and the next life adopts it. What it has just written itself is seen at the next look.
        """
        wanted = proposal(view, self._seat.identity)
        if wanted and not await self._board.write(wanted):
            return False
        layout = wanted or view.layout
        if not self._joined:
            self._joined = True
            self._hand.adopt(layout)
            log.info("joined", shards=layout.shards, epoch=layout.epoch, identity=self._seat.identity)
        if layout != self.layout:
            log.info("the shards have changed", before=self.layout.shards, shards=layout.shards, epoch=layout.epoch)
            self._leave(Mode.SHARED)
        elif can_return_to_single_leader(view):
            self._leave(Mode.ALONE)
        return not self._leaving and layout == view.layout

    def _leave(self, mode: Mode) -> None:
        self._leaving = True
        self._hooks.over(mode)

    async def _act(self, shards: frozenset[int]) -> None:
        """Begin to act for shards that are held, once nobody acts under another epoch and the caches are newer than that."""
        fresh = shards - self._ownership.acting
        if not fresh:
            return
        view = await self._look()
        if view.layout != self.layout or not all_released(view):
            return
        await self._hooks.refresh()
        if not self._leaving:
            self._hand.begin(fresh)

    async def _look(self) -> View:
        self._view = await self._board.look()
        self._hand.observe(self._board)
        return self._view

    def _own(self) -> LeaderLease:
        if self._replica is None:
            raise RuntimeError("to take part is to have joined")
        return self._replica
