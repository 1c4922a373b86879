"""Answers of the API server that a caller's tabs share for some seconds: many tabs that wake at once ask once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


class Recently:
    """Keeps answers by key. A failure is not kept, and reaches everybody who waits for it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: dict[Hashable, tuple[float, asyncio.Task[Any]]] = {}

    async def get(self, key: Hashable, seconds: float, make: Callable[[], Awaitable[T]]) -> T:
        """Return what was made at most some seconds ago, or is being made, or make it."""
        moment = self._clock()
        self._kept = {known: kept for known, kept in self._kept.items() if moment < kept[0]}
        if key not in self._kept:
            task = asyncio.create_task(_made(make))
            self._kept[key] = moment + seconds, task
            task.add_done_callback(lambda done: self._drop_failed(key, done))
        found: T = await asyncio.shield(self._kept[key][1])  # A tab that is closed does not end the read of others.
        return found

    def forget(self) -> None:
        """Make everything again, because something was changed."""
        self._kept.clear()

    def _drop_failed(self, key: Hashable, task: asyncio.Task[Any]) -> None:
        if (task.cancelled() or task.exception()) and key in self._kept and self._kept[key][1] is task:
            del self._kept[key]


async def _made(make: Callable[[], Awaitable[T]]) -> T:
    return await make()
