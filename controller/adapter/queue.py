"""Places for a few at a time; whoever waits is served in turn by key, so that none waits for all that another has asked."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Full(Exception):
    """As many wait as may wait."""


class FairQueue:
    """`places` at a time, `waiting` at most in wait; the keys take turns."""

    def __init__(self, places: int, waiting: int) -> None:
        self._free, self._limit = places, waiting
        self._lines: dict[str, deque[asyncio.Future[None]]] = {}
        """Who waits, by key; the next turn is the first key's."""

    @property
    def waiting(self) -> int:
        """How many wait."""
        return sum(map(len, self._lines.values()))

    @asynccontextmanager
    async def place(self, key: str, seconds: float) -> AsyncIterator[None]:
        """Have a place while the context lasts.

        Raises Full where too many wait already, and TimeoutError where the turn has not come in time.
        """
        async with asyncio.timeout(seconds):
            await self._enter(key)
        try:
            yield
        finally:
            self._leave()

    async def _enter(self, key: str) -> None:
        if self._free:
            self._free -= 1
            return
        if self.waiting >= self._limit:
            raise Full
        turn = asyncio.get_running_loop().create_future()
        self._lines.setdefault(key, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave()  # The place came too late for this one.
            else:
                self._forget(key, turn)
            raise

    def _leave(self) -> None:
        """Hand a place on to the next key's first, and let that key wait for all others again."""
        if not self._lines:
            self._free += 1
            return
        key = next(iter(self._lines))
        line = self._lines.pop(key)
        line.popleft().set_result(None)
        if line:
            self._lines[key] = line

    def _forget(self, key: str, turn: asyncio.Future[None]) -> None:
        line = self._lines[key]
        line.remove(turn)
        if not line:
            del self._lines[key]
