"""An action at a fixed rate, and small requests during a measurement."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp

from tests.bench.load import AT_ONCE

ASK_SECONDS = 0.25


async def paced(count: int, rate: float, one: Callable[[int], Awaitable[None]]) -> float:
    """Repeat an action at a rate, or as near to it as the API server allows; return the duration."""
    places = asyncio.Semaphore(AT_ONCE)
    started = time.monotonic()

    async def placed(number: int) -> None:
        try:
            await one(number)
        finally:
            places.release()

    async with asyncio.TaskGroup() as group:
        for number in range(count):
            await asyncio.sleep(max(0.0, started + number / rate - time.monotonic()))
            await places.acquire()
            group.create_task(placed(number))
    return time.monotonic() - started


@asynccontextmanager
async def asking(http: aiohttp.ClientSession, path: str) -> AsyncIterator[list[float]]:
    """Request a path of the API server repeatedly, and report the time of each answer; an error raises."""
    took: list[float] = []

    async def ask() -> None:
        while True:
            asked = time.monotonic()
            async with http.get(path, raise_for_status=True) as answer:
                await answer.read()
                took.append(time.monotonic() - asked)
            await asyncio.sleep(ASK_SECONDS)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(ask())
        yield took
        task.cancel()
