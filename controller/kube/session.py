"""The session that kopf sends its requests by: what it lists and watches is decoded as everything else (`decode.py`).

kopf decodes a page, or a line of a watch, by `json.loads` at once: one object that is nested too deeply would end its watcher, and
the operator with it; a page of large ones would need more memory than the operator has. So a list that kopf asks for is taken into
its sink page by page, and kopf gets the version to watch from; a watch's line whose object cannot be read carries its remains.
https://docs.kopf.dev/en/stable/authentication/#custom-http-sessions
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import aiohttp
import orjson
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from controller.api.base import JsonObject
from controller.kube.codec import json_bytes, lines
from controller.kube.connection import Connection
from controller.kube.decode import UNREADABLE, Malformed, decode_event
from controller.kube.errors import ApiError, Gone, TooLarge
from controller.kube.resources import Resource
from controller.kube.transport import HEADERS, Transport

Relist = Callable[[Resource, str | None], Awaitable[str]]
"""Takes a whole list of a resource in a namespace (None: in all) into its sink; returns the resourceVersion to watch from."""

JSON = "application/json"


class WatchSession:
    """As much of `aiohttp.ClientSession` as kopf uses. `watched` are the resources and namespaces that it lists and watches."""

    def __init__(self, connection: Connection, watched: Mapping[str, tuple[Resource, str | None]], relist: Relist) -> None:
        self._connection, self._watched, self._relist = connection, watched, relist
        self._transport = Transport(connection.configuration)
        self.headers = HEADERS
        self.closed = False

    async def request(
        self, method: str, url: str, *, json: Any = None, headers: dict[str, str] | None = None, timeout: aiohttp.ClientTimeout
    ) -> Any:
        """Send a request and return its answer, as aiohttp would; a list of what is watched is made page by page instead."""
        target = "/" + url.removeprefix(self._connection.server).lstrip("/")
        parts = urlsplit(target)
        watched = self._watched.get(parts.path) if method.upper() == "GET" else None
        if watched and "watch" not in parse_qs(parts.query):
            return await self._list(url, *watched)
        response = await self._send(method.upper(), target, json, headers or {}, timeout)
        return Watched(response, watched[0].max_bytes) if watched and response.status < HTTPStatus.BAD_REQUEST else response

    async def close(self) -> None:
        """Close every connection."""
        self.closed = True
        await self._transport.close()

    async def _send(
        self, method: str, target: str, body: Any, headers: dict[str, str], timeout: aiohttp.ClientTimeout
    ) -> aiohttp.ClientResponse:
        authorization = await self._connection.authorization()
        given = {"Content-Type": JSON} | ({"Authorization": authorization} if authorization else {}) | headers
        return await self._transport.request(method, target, given, None if body is None else json_bytes(body), timeout)

    async def _list(self, url: str, resource: Resource, namespace: str | None) -> Listed:
        try:
            return Listed(url, {"metadata": {"resourceVersion": await self._relist(resource, namespace)}, "items": []})
        except (Gone, TooLarge) as error:
            raise aiohttp.ClientConnectionError(str(error)) from error
        except ApiError as error:
            if not error.status:
                raise aiohttp.ClientConnectionError(str(error)) from error
            return Listed(url, {"kind": "Status", "message": error.message, "reason": error.reason}, error.status)


class Answer:
    """What kopf needs of an answer besides its content."""

    async def __aenter__(self) -> Self:
        """Return the answer itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Let go of the connection, where there is one."""


class Listed(Answer):
    """The answer to a list that was taken in already, or the API server's refusal of it."""

    def __init__(self, url: str, body: JsonObject, status: int = HTTPStatus.OK) -> None:
        self._url, self._body, self.status = url, body, status
        self.headers: dict[str, str] = {}

    async def json(self) -> JsonObject:
        """Return the body."""
        return self._body

    def raise_for_status(self) -> None:
        """Raise aiohttp's error for a refusal."""
        request = aiohttp.RequestInfo(URL(self._url), "GET", CIMultiDictProxy(CIMultiDict()), URL(self._url))
        raise aiohttp.ClientResponseError(request, (), status=self.status, message=str(self._body.get("message", "")))


class Watched(Answer):
    """The answer to a watch; its content is the lines, those of unreadable objects with their remains."""

    def __init__(self, response: aiohttp.ClientResponse, limit: int) -> None:
        self._response, self._limit = response, limit
        self.status, self.headers, self.content = response.status, response.headers, self

    def close(self) -> None:
        """Close the watch."""
        self._response.close()

    async def iter_chunked(self, _: int) -> AsyncIterator[bytes]:
        """Yield line after line, whatever size of chunks is asked for."""
        async for line in lines(self._response.content):
            yield self._readable(line) + b"\n"

    def _readable(self, line: bytes) -> bytes:
        try:
            event = decode_event(line, self._limit)
        except Malformed as error:
            raise aiohttp.ClientPayloadError(str(error)) from error
        obj = event.get("object")
        return orjson.dumps(event) if isinstance(obj, dict) and UNREADABLE in obj else line
