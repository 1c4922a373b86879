"""Takes part: keeps this replica's Lease and those of its shards, follows the layout, and hands over what is another's due.

Every retry period it looks at all Leases once. It takes a shard's Lease first and looks again before it acts: of two that do so,
one sees the other. A lost Lease ends the process, as a lone operator's does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, TypeVar

import structlog

from controller.cluster.client import Client
from controller.cluster.errors import ApiError
from controller.cluster.lease import LeaderLease, LeaseTimings
from controller.endpoints import Note
from controller.sharding import lookout
from controller.sharding.board import Board
from controller.sharding.layout import Layout, Mode, View, alone_again, drained, due, proposal, speaker
from controller.sharding.ownership import Ownership

log = structlog.get_logger(__name__)

K = TypeVar("K", bound=Hashable)

STARTED = time.monotonic()
"""When this process was started, near enough: who was started last speaks for all."""


@dataclass(frozen=True, slots=True)
class Seat:
    """Where the Leases are, what they are called, who we are there, and how many shards we were told."""

    namespace: str
    lease: str
    identity: str
    timings: LeaseTimings
    told: int


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
        self._board = Board(client, seat.namespace, seat.lease)
        self._notes: dict[str, str] = {}
        self._replica: LeaderLease | None = None
        self._leases: dict[int, LeaderLease] = {}
        self._held: set[int] = set()
        self._view = View()
        self._due: frozenset[int] | None = None
        self._leaving = False
        self.layout = Layout()

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
            return "it does not take part yet: its caches or its store are not ready"
        if waiting := self._due - self._ownership.acting:
            return f"waiting for shards {_words(waiting)}: others still hold them, or act under an earlier epoch"
        return Note(self._told())

    async def acquire(self) -> None:
        """Return when this replica has joined and adopted a layout; it acts for nothing yet."""
        while True:
            try:
                if await self._adopt():
                    break
            except ApiError as error:
                log.warning("cannot join the other operators", lease=self._seat.lease, error=str(error))
            await asyncio.sleep(self._seat.timings.retry_period)
        self._ownership.shards = self.layout.shards
        log.info("joined", shards=self.layout.shards, epoch=self.layout.epoch, identity=self._seat.identity)

    def begin(self) -> None:
        """Say that this replica can work: from now on it is given its share."""
        self._notes[lookout.READY] = "true"

    async def hold(self) -> None:
        """Take part until released. Raises LeaseLost (in a group) when a Lease could not be renewed in time or another has it."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._own().hold(), name="replica's lease")
            while not self._leaving:
                try:
                    await self._tick(group)
                except ApiError as error:
                    log.warning("cannot see to the shards, trying again", error=str(error))
                await asyncio.sleep(self._seat.timings.retry_period)

    async def release(self) -> None:
        """Give every Lease up."""
        self._leaving, self._ownership.acting = True, frozenset()
        leases = [lease for lease in (self._replica, *self._leases.values()) if lease]
        await asyncio.gather(*(lease.release() for lease in leases))

    async def _adopt(self) -> bool:
        view = await self._look()
        if self._replica is None:
            if not await self._join():
                return False
            view = await self._look()
        wanted = proposal(view, self._seat.identity)
        if wanted:
            await self._board.write(wanted)
        self.layout = wanted or view.layout
        self._leases.clear()
        return True

    async def _join(self) -> bool:
        """Take a free replica's place; a place that is taken first by another is tried again elsewhere."""
        since = self._client.server_now() - timedelta(seconds=time.monotonic() - STARTED)
        self._notes |= {lookout.SHARDS: str(self._seat.told), lookout.SINCE: since.isoformat(), lookout.READY: "false"}
        lease = self._lease(lookout.replica_name(self._seat.lease, self._board.free_place), self._notes)
        if await lease.take():
            self._replica = lease
        return self._replica is not None

    async def _tick(self, group: asyncio.TaskGroup) -> None:
        view = await self._look()
        await self._board.bury()
        if await self._is_over(view):
            return
        me = self._seat.identity
        if not any(replica.name == me and replica.ready for replica in view.replicas):
            return
        mine = self._due = due(view, me)
        await self._hand_over(frozenset(self._held) - mine)
        await self._take(mine - self._held, group)
        await self._act(mine & self._held)

    async def _is_over(self, view: View) -> bool:
        """Whether another layout is to be adopted: what is in hand is finished first, and the next life begins with it."""
        wanted = proposal(view, self._seat.identity)
        if wanted:
            await self._board.write(wanted)
        layout = wanted or view.layout
        if layout != self.layout:
            log.info("the shards have changed", before=self.layout.shards, shards=layout.shards, epoch=layout.epoch)
            self._hooks.over(Mode.SHARED)
        elif alone_again(view):
            self._hooks.over(Mode.ALONE)
        else:
            return False
        self._leaving = True
        return True

    async def _hand_over(self, shards: frozenset[int]) -> None:
        """Begin nothing more in these shards, and give up the Leases of those where nothing is in hand any more."""
        ceased = shards & self._ownership.acting
        self._ownership.acting -= ceased
        if ceased:
            self._hooks.moved(ceased)
        for shard in shards:
            if not self._ownership.busy(shard):
                self._held.discard(shard)
                await self._leases.pop(shard).release()
                log.info("shard handed over", shard=shard)

    async def _take(self, shards: frozenset[int], group: asyncio.TaskGroup) -> None:
        for shard in sorted(shards):
            if await self._contender(shard).take():
                self._held.add(shard)
                group.create_task(self._contender(shard).hold(), name=f"shard {shard}")

    async def _act(self, shards: frozenset[int]) -> None:
        """Begin to act for shards that are held, once nobody acts under another epoch and the caches are newer than that."""
        fresh = shards - self._ownership.acting
        if not fresh:
            return
        view = await self._look()
        if view.layout != self.layout or not drained(view):
            return
        await self._hooks.refresh()
        self._ownership.acting |= fresh
        self._hooks.moved(fresh)
        log.info("acting", shards=sorted(fresh), of=self.layout.shards, epoch=self.layout.epoch)

    async def _look(self) -> View:
        self._view = await self._board.look()
        for shard in range(self.layout.shards):
            lease = self._board.lease(shard)
            if lease and shard not in self._held:
                self._contender(shard).observe(lease)
        return self._view

    def _contender(self, shard: int) -> LeaderLease:
        if shard not in self._leases:
            notes = {lookout.HELD_UNDER: str(self.layout.epoch)}
            self._leases[shard] = self._lease(lookout.shard_name(self._seat.lease, shard), notes)
        return self._leases[shard]

    def _lease(self, name: str, notes: dict[str, str]) -> LeaderLease:
        seat = self._seat
        return LeaderLease(self._client, seat.namespace, name, seat.identity, seat.timings, notes=notes)

    def _own(self) -> LeaderLease:
        if self._replica is None:
            raise RuntimeError("to take part is to have joined")
        return self._replica

    def _told(self) -> str:
        """What this replica does, and whether the layout is what it was told."""
        acts = f"acts for {_words(self._ownership.acting)} of {self.layout.shards} shards under epoch {self.layout.epoch}"
        last = speaker(self._view)
        if last is None or self._seat.told == self.layout.shards:
            return acts
        return f"{acts}; it was told --shards {self._seat.told}, but {last.name} was started later and speaks for all"


def _words(shards: frozenset[int]) -> str:
    return ", ".join(map(str, sorted(shards))) or "none"
