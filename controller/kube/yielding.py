"""Yields to the event loop: work on many objects runs in slices of a few milliseconds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")

SLICE_SECONDS = 0.01
"""How long work on objects may block the event loop. The Lease's renewals, probes and passes wait no longer than this."""


class Slice:
    """The time slice of one piece of work. `clock` gives monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since = clock()

    async def yield_if_over(self) -> None:
        """Let the event loop do other work if this slice is over, and begin the next slice."""
        if self._clock() - self._since >= SLICE_SECONDS:
            await asyncio.sleep(0)
            self._since = self._clock()


async def yielding(things: Iterable[T]) -> AsyncIterator[T]:
    """Yield each item, and yield to the event loop between two slices."""
    piece = Slice()
    for thing in things:
        yield thing
        await piece.yield_if_over()
