"""Client of an adapter at a unix socket. All faults there become a reply, within the timeout."""

from __future__ import annotations

import asyncio
import io
import re
import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path

import aiohttp

from controller.adapter.contract import Ended, Reply, Request
from controller.adapter.safe_text import clean
from controller.adapter.wire import CONSULT, MAX_REPLY_BYTES, WireError, read_reply, write_request

SPARE_SECONDS = 2.0
"""Time beyond the consultation's own timeout that the adapter has for its reply."""
HOST = "http://adapter"
SCRAPE_SECONDS, MAX_SCRAPE_BYTES = 2.0, 2**20
"""Limits of a scrape of the adapter's metrics."""
OURS = re.compile(rb"(?:# (?:HELP|TYPE) )?runwatchman_advisor_")
"""Beginning of the adapter's metric lines. Other lines are dropped: the adapter must not report metrics of others."""


class SocketAdvisor:
    """Consults `runwatchman adapter` over its socket. Each question has its own connection: a restarted adapter works at once."""

    def __init__(self, path: Path, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._path, self._monotonic = path, monotonic

    async def consult(self, request: Request) -> Reply:
        """Send the request once and return the reply."""
        started = self._monotonic()
        try:
            async with asyncio.timeout(request.timeout_seconds + SPARE_SECONDS):
                return await self._post(request)
        except TimeoutError:
            why = f"no reply within {request.timeout_seconds + SPARE_SECONDS:.0f} s"
        except (aiohttp.ClientError, OSError, WireError, ValueError) as error:
            why = str(error) or type(error).__name__
        detail = clean(f"the adapter at {self._path}: {why}; check that it runs and listens there")
        return Reply(Ended.UNREACHABLE, detail=detail, latency_seconds=self._monotonic() - started)

    async def _post(self, request: Request) -> Reply:
        connector = aiohttp.UnixConnector(str(self._path), force_close=True)
        no_timeout = aiohttp.ClientTimeout(total=None)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=no_timeout, auto_decompress=False) as session,
            session.post(f"{HOST}{CONSULT}", data=io.BytesIO(write_request(request)), allow_redirects=False) as response,
        ):
            body = await _bounded(response.content, MAX_REPLY_BYTES)
            if response.status != HTTPStatus.OK:
                raise WireError(f"it answered {response.status}: {body.decode(errors='replace')}")
            return read_reply(body)


async def scrape(path: Path) -> bytes:
    """Return the adapter's own metrics from its socket, or nothing if it does not answer."""
    limit = aiohttp.ClientTimeout(total=SCRAPE_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path), force_close=True), timeout=limit) as session,
            session.get(f"{HOST}/metrics", allow_redirects=False) as response,
        ):
            text = await _bounded(response.content, MAX_SCRAPE_BYTES) if response.status == HTTPStatus.OK else b""
    except (aiohttp.ClientError, OSError, TimeoutError, WireError):
        return b""
    return b"".join(line for line in text.splitlines(keepends=True) if OURS.match(line))


async def _bounded(stream: aiohttp.StreamReader, most: int) -> bytes:
    body = bytearray()
    async for chunk in stream.iter_any():
        body += chunk
        if len(body) > most:
            raise WireError(f"its reply has more than {most} bytes")
    return bytes(body)
