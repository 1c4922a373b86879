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

from controller.cluster.client import Client
from controller.cluster.errors import ApiError
from controller.cluster.lease import LeaderLease
from controller.endpoints.health import Note
from controller.sharding import lookout, telling
from controller.sharding.board import Board
from controller.sharding.hand import Hand
from controller.sharding.layout import Layout, Mode, View, alone_again, drained, due, proposal, speaker
from controller.sharding.ownership import Ownership
from controller.sharding.seat import Seat

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


class Shards(Generic[K]):
    """The part of one replica in the work."""

    def __init__(self, client: Client, seat: Seat, ownership: Ownership[K], hooks: Hooks) -> None:
        self._client, self._seat, self._ownership, self._hooks = client, seat, ownership, hooks
        self._hand = Hand(client, seat, ownership, hooks.moved)
        self._board = Board(client, seat.namespace, seat.lease)
        self._notes: dict[str, str] = {}
        self._replica: LeaderLease | None = None
        self._view = View()
        self._due: frozenset[int] | None = None
        self._joined = self._leaving = False
        self._turn = asyncio.Lock()

    @property
    def layout(self) -> Layout:
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
            return telling.NOT_YET
        if waiting := self._due - self._ownership.acting:
            return telling.waits(waiting)
        return Note(telling.acts(self._ownership.acting, self.layout, self._seat.told, speaker(self._view)))

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
        self._notes[lookout.READY] = "true"

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
        self._notes |= {lookout.SHARDS: str(self._seat.told), lookout.SINCE: since.isoformat(), lookout.READY: "false"}
        place = lookout.replica_name(self._seat.lease, self._board.free_place)
        self._replica = self._seat.contend(self._client, place, self._notes)
        return await self._replica.take()

    async def _tick(self, group: asyncio.TaskGroup) -> None:
        view = await self._look()
        await self._board.bury()
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
        elif alone_again(view):
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
        if view.layout != self.layout or not drained(view):
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
