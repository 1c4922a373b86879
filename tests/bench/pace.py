"""Doing something at a rate, and asking for something small all the while."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp

from tests.bench.load import AT_ONCE

ASK_SECONDS = 0.25


async def paced(count: int, rate: float, one: Callable[[int], Awaitable[None]]) -> float:
    """Do something so many times at a rate, or as near to it as the API server allows; return how long it took."""
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
    """Ask the API server for a path all the while, and tell how long each answer took; one that is no yes raises."""
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
