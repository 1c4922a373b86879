"""The HTTP session for kopf: its lists and watches are decoded like all other responses (`decode.py`).

kopf decodes a whole page or watch line with `json.loads`. An object that is nested too deeply would end its watcher and with it the
operator; a page of large objects would need more memory than the operator has. Therefore this session reads a list page by page
into the sink and gives kopf only the version to watch from. A watch line with an unreadable object carries the object's remains.
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
"""Reads a complete list of a resource in a namespace (None: in all) into its sink; returns the resourceVersion to watch from."""

JSON = "application/json"


class WatchSession:
    """The part of `aiohttp.ClientSession` that kopf uses. `watched` are the resources and namespaces that it lists and watches."""

    def __init__(self, connection: Connection, watched: Mapping[str, tuple[Resource, str | None]], relist: Relist) -> None:
        self._connection, self._watched, self._relist = connection, watched, relist
        self._transport = Transport(connection.configuration)
        self.headers = HEADERS
        self.closed = False

    async def request(
        self, method: str, url: str, *, json: Any = None, headers: dict[str, str] | None = None, timeout: aiohttp.ClientTimeout
    ) -> Any:
        """Send a request and return its response, as aiohttp would; a list of a watched resource is read page by page instead."""
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
    """The part of a response, apart from its content, that kopf uses."""

    async def __aenter__(self) -> Self:
        """Return the response itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Release the connection, if there is one."""


class Listed(Answer):
    """The response to a list that was already read, or the API server's refusal of it."""

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
    """The response to a watch. Its content is the lines; an unreadable object is replaced by its remains."""

    def __init__(self, response: aiohttp.ClientResponse, limit: int) -> None:
        self._response, self._limit = response, limit
        self.status, self.headers, self.content = response.status, response.headers, self

    def close(self) -> None:
        """Close the watch."""
        self._response.close()

    async def iter_chunked(self, _: int) -> AsyncIterator[bytes]:
        """Yield line by line; the requested chunk size is ignored."""
        async for line in lines(self._response.content):
            yield self._readable(line) + b"\n"

    def _readable(self, line: bytes) -> bytes:
        try:
            event = decode_event(line, self._limit)
        except Malformed as error:
            raise aiohttp.ClientPayloadError(str(error)) from error
        obj = event.get("object")
        return orjson.dumps(event) if isinstance(obj, dict) and UNREADABLE in obj else line
