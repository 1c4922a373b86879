"""A semaphore that is fair among tenants: waiters are served in turn by tenant, and within a tenant by key.

A tenant's requests delay others by one turn at most. Each tenant has its own limit of waiters, the last free slot is reserved for a
tenant that holds none, and when the queue is full, the tenant with the most waiters loses one.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Turn = asyncio.Future[None]


class Full(Exception):
    """The queue is full."""


@dataclass(slots=True)
class _TenantQueue:
    """The waiters of one tenant by key. The first key has the next turn."""

    keys: dict[str, deque[Turn]] = field(default_factory=dict)

    def __len__(self) -> int:
        return sum(map(len, list(self.keys.values())))

    def add(self, key: str) -> Turn:
        turn: Turn = asyncio.get_running_loop().create_future()
        self.keys.setdefault(key, deque()).append(turn)
        return turn

    def first(self) -> Turn:
        """Remove and return the next turn, and move its key to the end."""
        key = next(iter(self.keys))
        turns = self.keys.pop(key)
        turn = turns.popleft()
        if turns:
            self.keys[key] = turns
        return turn

    def last(self) -> Turn:
        """Remove and return the newest turn of the key with the most waiters."""
        key = max(self.keys, key=lambda each: len(self.keys[each]))
        turn = self.keys[key].pop()
        if not self.keys[key]:
            del self.keys[key]
        return turn

    def discard(self, key: str, turn: Turn) -> None:
        if turn in self.keys.get(key, ()):
            self.keys[key].remove(turn)
            if not self.keys[key]:
                del self.keys[key]


class FairSemaphore:
    """A semaphore with `places` slots and at most `waiting` waiters, `each` of one tenant."""

    def __init__(self, places: int, waiting: int, each: int) -> None:
        self._free, self._limit, self._each = places, waiting, each
        self._held: Counter[str] = Counter()
        """Slots in use, by tenant."""
        self._queues: dict[str, _TenantQueue] = {}
        """Waiters by tenant. The first tenant that may have a slot has the next turn."""

    @property
    def waiting(self) -> int:
        """Number of waiters. The metrics server reads it from another thread, hence the copies."""
        return sum(map(len, list(self._queues.values())))

    def waiting_of(self, tenant: str) -> int:
        """Number of waiters of one tenant."""
        return len(self._queues.get(tenant, ()))

    @asynccontextmanager
    async def place(self, tenant: str, key: str, seconds: float) -> AsyncIterator[None]:
        """Hold a slot while the context lasts.

        Raises Full if the queue is full, and TimeoutError if no slot was free in time.
        """
        async with asyncio.timeout(seconds):
            await self._enter(tenant, key)
        try:
            yield
        finally:
            self._leave(tenant)

    async def _enter(self, tenant: str, key: str) -> None:
        if self._may_have(tenant):
            self._take(tenant)
            return
        self._make_room(tenant)
        turn = self._queues.setdefault(tenant, _TenantQueue()).add(key)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._leave(tenant)  # The slot came too late.
            else:
                self._forget(tenant, key, turn)
            raise

    def _may_have(self, tenant: str) -> bool:
        """Whether a tenant may take a slot now. The last free one is for tenants that hold none."""
        return self._free > 1 or (self._free == 1 and not self._held[tenant])

    def _make_room(self, tenant: str) -> None:
        """Make sure that a tenant may wait: the longest queue gives up its last turn to a shorter one. Raises Full."""
        mine = self.waiting_of(tenant)
        if mine >= self._each:
            raise Full
        if self.waiting < self._limit:
            return
        longest = max(self._queues, key=self.waiting_of)
        if self.waiting_of(longest) <= mine + 1:
            raise Full
        self._queues[longest].last().set_exception(Full())
        self._tidy(longest)

    def _take(self, tenant: str) -> None:
        self._free -= 1
        self._held[tenant] += 1

    def _leave(self, tenant: str) -> None:
        """Return a slot, and give free slots to the waiters whose turn it is."""
        self._free += 1
        self._held[tenant] -= 1
        self._held += Counter()  # Drop tenants without a slot.
        while (following := next(filter(self._may_have, self._queues), None)) is not None:
            self._take(following)
            self._queues[following].first().set_result(None)
            queue = self._queues.pop(following)
            if queue:
                self._queues[following] = queue

    def _forget(self, tenant: str, key: str, turn: Turn) -> None:
        if tenant in self._queues:
            self._queues[tenant].discard(key, turn)
            self._tidy(tenant)

    def _tidy(self, tenant: str) -> None:
        if not self._queues[tenant]:
            del self._queues[tenant]
