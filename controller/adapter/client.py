"""An advisor at the other end of a unix socket. Whatever is wrong there is a reply, and in time."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path

import aiohttp

from controller.adapter.detail import clean
from controller.adapter.wire import CONSULT, MAX_REPLY_BYTES, WireError, read_reply, write_request
from controller.consulting import Ended, Reply, Request

SPARE_SECONDS = 2.0
"""How much longer than the consultation's own time the adapter may take to say how it ended."""
URL = f"http://adapter{CONSULT}"


class SocketAdvisor:
    """Asks `runwarden adapter` over its socket: a connection for each question, so that a restarted adapter is found at once."""

    def __init__(self, path: Path, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._path, self._monotonic = path, monotonic

    async def consult(self, request: Request) -> Reply:
        """Ask once."""
        started = self._monotonic()
        try:
            async with asyncio.timeout(request.timeout_seconds + SPARE_SECONDS):
                return await self._post(request)
        except TimeoutError:
            why = f"no reply within {request.timeout_seconds + SPARE_SECONDS:.0f} s"
        except (aiohttp.ClientError, OSError, WireError, ValueError) as error:
            why = str(error) or type(error).__name__
        detail = clean(f"the adapter at {self._path}: {why}; see that it runs and listens there")
        return Reply(Ended.UNREACHABLE, detail=detail, latency_seconds=self._monotonic() - started)

    async def _post(self, request: Request) -> Reply:
        connector = aiohttp.UnixConnector(str(self._path), force_close=True)
        no_timeout = aiohttp.ClientTimeout(total=None)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=no_timeout, auto_decompress=False) as session,
            session.post(URL, data=io.BytesIO(write_request(request)), allow_redirects=False) as response,
        ):
            body = await _bounded(response.content)
            if response.status != HTTPStatus.OK:
                raise WireError(f"it answered {response.status}: {body.decode(errors='replace')}")
            return read_reply(body)


async def _bounded(stream: aiohttp.StreamReader) -> bytes:
    body = bytearray()
    async for chunk in stream.iter_any():
        body += chunk
        if len(body) > MAX_REPLY_BYTES:
            raise WireError(f"its reply has more than {MAX_REPLY_BYTES} bytes")
    return bytes(body)
