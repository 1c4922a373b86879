"""Server-sent events to one browser, which must take them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from aiohttp import web

SEND_SECONDS = 60.0
"""Time for a browser to take what is sent; one that takes nothing for longer loses its stream."""


class EventStream:
    """An answer that lasts. Sending raises ConnectionError if the browser is gone or takes nothing."""

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self.response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})

    async def begin(self) -> None:
        """Send the headers."""
        await self.response.prepare(self._request)

    @property
    def connected(self) -> bool:
        """Whether the browser is still there."""
        return self._request.transport is not None and not self._request.transport.is_closing()

    async def send(self, event: str, lines: Iterable[str]) -> None:
        """Send an event."""
        data = "".join(f"data: {line}\n" for line in lines)
        await self._write(f"event: {event}\n{data}\n".encode(errors="replace"))

    async def beat(self) -> None:
        """Send a sign of life."""
        await self._write(b":\n\n")

    async def _write(self, data: bytes) -> None:
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self.response.write(data)
        except TimeoutError as error:
            if self._request.transport is not None:
                self._request.transport.abort()
            raise ConnectionAbortedError("the browser takes nothing") from error
