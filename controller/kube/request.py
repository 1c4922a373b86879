"""One request and its response: credentials, timeouts, Retry-After, metrics and the API server's clock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio.config import ConfigException

from controller.kube.codec import NO_ANSWER, json_bytes, read, unavailable
from controller.kube.connection import Connection
from controller.kube.errors import ApiError, Unauthorized, error_of, parse_retry_after
from controller.kube.resources import Resource
from controller.kube.server_clock import ServerClock
from controller.kube.transport import Transport

REQUEST_SECONDS = 10.0
"""Timeout of a request, including waits for Retry-After."""
WATCH_OPEN_SECONDS = 30.0
"""Timeout for opening a watch: twice the longest time that the API server's flow control queues a request."""
WATCH_SECONDS, WATCH_GRACE_SECONDS = 300, 30
"""How long the API server keeps a watch open, and how much longer we wait for it to close."""
READ_ATTEMPTS = 4
"""Maximum number of times that a read is sent while the API server answers with Retry-After."""
SHORT_WAIT_SECONDS = 2.0
"""Longest Retry-After that is slept through here. Longer ones are raised, so that no worker blocks."""
UNLIMITED = aiohttp.ClientTimeout(total=None)
"""aiohttp's own timeout is off, since it would restart with each retry."""
JSON = "application/json"

Observer = Callable[[str, str, int, float], None]


class RequestSender:
    """Sends requests to one API server. `observe` gets the verb, resource, status code (0 for none) and seconds of each request."""

    def __init__(self, connection: Connection, observe: Observer) -> None:
        self.observe = observe
        self.clock = ServerClock()
        self._connection = connection
        self._transport = Transport(connection.configuration)

    async def close(self) -> None:
        """Close every connection."""
        await self._transport.close()

    async def call(
        self,
        method: str,
        resource: Resource,
        namespace: str | None,
        name: str | None = None,
        *,
        subresource: str | None = None,
        body: Any = None,
        query: dict[str, str | int] | None = None,
        content_type: str = JSON,
        verb: str = "",
        most: int | None = None,
    ) -> bytes:
        """Return the body of a successful response. Raises ApiError; TooLarge for a body of more than `most` bytes."""
        path = resource.path(namespace, name, subresource)
        what = f"{verb or method} {path}"
        started, code = time.monotonic(), 0
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                response = await self.send(what, method, path, query, body, content_type, UNLIMITED)
                data = await read(what, response, most)
            code = response.status
        except NO_ANSWER as error:
            raise unavailable(what, error) from error
        except ApiError as error:
            code = error.status
            raise
        finally:
            self.observe(verb or method, resource.plural, code, time.monotonic() - started)
        self.clock.observe(response.headers.get("Date"), started, time.monotonic())
        if code >= HTTPStatus.BAD_REQUEST:
            raise error_of(what, code, data, response.headers.get("Retry-After"))
        return data

    async def open_watch(self, what: str, resource: Resource, path: str, query: dict[str, str | int]) -> aiohttp.ClientResponse:
        """Open a watch and return its response; the caller reads and closes it. Raises ApiError."""
        started, code = time.monotonic(), 0
        limit = aiohttp.ClientTimeout(total=WATCH_SECONDS + WATCH_GRACE_SECONDS)
        try:
            async with asyncio.timeout(WATCH_OPEN_SECONDS):
                response = await self.send(what, "GET", path, query, None, JSON, limit)
                code = response.status
                if code >= HTTPStatus.BAD_REQUEST:
                    raise error_of(what, code, await response.read(), response.headers.get("Retry-After"))
        except NO_ANSWER as error:
            raise unavailable(what, error) from error
        finally:
            self.observe("WATCH", resource.plural, code, time.monotonic() - started)
        return response

    async def send(
        self,
        what: str,
        method: str,
        path: str,
        query: dict[str, str | int] | None,
        body: Any,
        content_type: str,
        limit: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        """Send a request and return the response once its headers arrived. A read is repeated after a short Retry-After."""
        headers = {"Content-Type": content_type}
        if authorization := await self._authorization(what):
            headers["Authorization"] = authorization
        target = path + (f"?{urlencode(query)}" if query else "")
        data = None if body is None else json_bytes(body)
        for left in reversed(range(READ_ATTEMPTS)):
            response = await self._transport.request(method, target, headers, data, limit)
            wait = parse_retry_after(response.status, response.headers.get("Retry-After")) if method == "GET" else None
            if wait is None or wait > SHORT_WAIT_SECONDS or not left:
                break
            response.release()
            await asyncio.sleep(wait)
        return response

    async def _authorization(self, what: str) -> str | None:
        try:
            return await self._connection.authorization()
        except (ConfigException, OSError) as error:  # The mounted token is just being replaced, or does not exist.
            raise Unauthorized(what, 0, "NoCredentials", str(error)) from error
