"""Letting others run: work that goes through many objects gives the event loop a turn after every few milliseconds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")

TURN_SECONDS = 0.01
"""How long work on objects may hold the event loop. The Lease's renewals, probes and passes wait for no longer than this."""


class Turns:
    """The turns of one piece of work. `clock` gives monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since = clock()

    async def yield_if_due(self) -> None:
        """Give the event loop a turn if this piece of work has had its own."""
        if self._clock() - self._since >= TURN_SECONDS:
            await asyncio.sleep(0)
            self._since = self._clock()


async def in_turns(things: Iterable[T]) -> AsyncIterator[T]:
    """Yield each thing, others' turns in between."""
    turns = Turns()
    for thing in things:
        yield thing
        await turns.yield_if_due()
