"""Places for a few at a time, shared by tenants: whoever waits is served in turn, by tenant and then by key.

What one tenant asks costs others a turn at most: its wait is bounded by itself, the last free place is kept for a tenant that
has none, and when all of the wait is taken up, the tenant that has most of it makes room.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Turn = asyncio.Future[None]


class Full(Exception):
    """As many wait as may wait."""


@dataclass(slots=True)
class _Line:
    """Who of one tenant waits, by key; the next turn is the first key's."""

    keys: dict[str, deque[Turn]] = field(default_factory=dict)

    def __len__(self) -> int:
        return sum(map(len, list(self.keys.values())))

    def add(self, key: str) -> Turn:
        turn: Turn = asyncio.get_running_loop().create_future()
        self.keys.setdefault(key, deque()).append(turn)
        return turn

    def first(self) -> Turn:
        """Take the next turn out, and let its key wait for all others again."""
        key = next(iter(self.keys))
        turns = self.keys.pop(key)
        turn = turns.popleft()
        if turns:
            self.keys[key] = turns
        return turn

    def last(self) -> Turn:
        """Take out the turn that came last of the key that has most."""
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
    """`places` at a time; `waiting` at most in wait, `each` of one tenant."""

    def __init__(self, places: int, waiting: int, each: int) -> None:
        self._free, self._limit, self._each = places, waiting, each
        self._held: Counter[str] = Counter()
        """Places by the tenant that has them."""
        self._lines: dict[str, _Line] = {}
        """Who waits, by tenant; the next turn is the first tenant's that may have the place."""

    @property
    def waiting(self) -> int:
        """How many wait. Metrics ask it from a thread of theirs, hence the copies."""
        return sum(map(len, list(self._lines.values())))

    def waiting_of(self, tenant: str) -> int:
        """How many of one tenant wait."""
        return len(self._lines.get(tenant, ()))

    @asynccontextmanager
    async def place(self, tenant: str, key: str, seconds: float) -> AsyncIterator[None]:
        """Have a place while the context lasts.

        Raises Full where too many wait already, and TimeoutError where the turn has not come in time.
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
        turn = self._lines.setdefault(tenant, _Line()).add(key)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._leave(tenant)  # The place came too late for this one.
            else:
                self._forget(tenant, key, turn)
            raise

    def _may_have(self, tenant: str) -> bool:
        """Whether a tenant may have a place now: any but the last, and the last where it has none."""
        return self._free > 1 or (self._free == 1 and not self._held[tenant])

    def _make_room(self, tenant: str) -> None:
        """See that a tenant may wait: the longest line gives up its last turn to a shorter one. Raises Full."""
        mine = self.waiting_of(tenant)
        if mine >= self._each:
            raise Full
        if self.waiting < self._limit:
            return
        longest = max(self._lines, key=self.waiting_of)
        if self.waiting_of(longest) <= mine + 1:
            raise Full
        self._lines[longest].last().set_exception(Full())
        self._tidy(longest)

    def _take(self, tenant: str) -> None:
        self._free -= 1
        self._held[tenant] += 1

    def _leave(self, tenant: str) -> None:
        """Give a place back, and hand on what is free to whose turn it is."""
        self._free += 1
        self._held[tenant] -= 1
        self._held += Counter()  # Tenants without a place are forgotten.
        while (following := next(filter(self._may_have, self._lines), None)) is not None:
            self._take(following)
            self._lines[following].first().set_result(None)
            line = self._lines.pop(following)
            if line:
                self._lines[following] = line

    def _forget(self, tenant: str, key: str, turn: Turn) -> None:
        if tenant in self._lines:
            self._lines[tenant].discard(key, turn)
            self._tidy(tenant)

    def _tidy(self, tenant: str) -> None:
        if not self._lines[tenant]:
            del self._lines[tenant]
