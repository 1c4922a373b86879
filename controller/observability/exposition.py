"""The page `/metrics`. The exposition is generated at most once a second for all clients, and only for authorized ones."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from controller.observability.guard import Guard
from controller.observability.pages import Pages

PATH = "/metrics"
FRESH_SECONDS = 1.0
"""Time for which an exposition is cached."""

Make = Callable[[], Awaitable[bytes]]


class Exposition:
    """The metrics as text. It is used from one event loop and generated in another thread."""

    def __init__(self, make: Make, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._make, self._monotonic = make, monotonic
        self._text, self._until = b"", 0.0
        self._making: asyncio.Task[bytes] | None = None

    async def text(self) -> bytes:
        """Return an exposition that is at most FRESH_SECONDS old. Requests during its generation wait for the same one."""
        if self._making is None:
            if self._monotonic() < self._until:
                return self._text
            self._making = asyncio.create_task(self._renew())
        return await asyncio.shield(self._making)

    async def _renew(self) -> bytes:
        try:
            self._text = await self._make()
            self._until = self._monotonic() + FRESH_SECONDS
        finally:
            self._making = None
        return self._text


def of_registry(registry: CollectorRegistry, refresh: Callable[[], None] = lambda: None) -> Make:
    """Return a function that generates the exposition of a registry in a thread, after a call of `refresh` there."""

    def make() -> bytes:
        refresh()
        return generate_latest(registry)

    return lambda: asyncio.to_thread(make)


def metrics_pages(make: Make, guard: Guard | None = None) -> Pages:
    """Return the page `/metrics`. With a guard, only clients that it authorizes may read it."""
    exposition = Exposition(make)

    async def metrics(request: web.BaseRequest) -> web.Response:
        if guard and (refused := await guard.refusal(request.headers.get("Authorization", ""))):
            return web.Response(status=refused.status, text=f"{refused.why}\n", headers=refused.headers)
        return web.Response(body=await exposition.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return {PATH: metrics}
