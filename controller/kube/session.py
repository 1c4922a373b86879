"""The HTTP session for kopf: its lists and watches are decoded like all other responses (`decode.py`).

kopf decodes a whole page or watch line with `json.loads`. An object that is nested too deeply would end its watcher and with it the
operator; a page of large objects would need more memory than the operator has. For each event kopf also makes a task, a queue,
three loggers and a patch, which a sink does not need. Therefore this session passes the objects of lists and watches to the sink
itself. It gives kopf the version to watch from: an empty list, and a bookmark in place of each event.
https://docs.kopf.dev/en/stable/authentication/#custom-http-sessions
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp

from controller.kube.client import Client
from controller.kube.codec import json_bytes
from controller.kube.connection import Connection
from controller.kube.errors import ApiError, Gone, TooLarge
from controller.kube.reflector import relist
from controller.kube.responses import Listed, Subscription, Watched
from controller.kube.transport import HEADERS, Transport

JSON = "application/json"


class WatchSession:
    """The part of `aiohttp.ClientSession` that kopf uses. `subscriptions` have the path of their collection as key."""

    def __init__(self, connection: Connection, client: Client, subscriptions: Mapping[str, Subscription]) -> None:
        self._connection, self._client, self._subscriptions = connection, client, subscriptions
        self._transport = Transport(connection.configuration)
        self.headers = HEADERS
        self.closed = False

    async def request(
        self, method: str, url: str, *, json: Any = None, headers: dict[str, str] | None = None, timeout: aiohttp.ClientTimeout
    ) -> Any:
        """Send a request and return its response, as aiohttp would; lists and watches of a subscription are passed to its sink."""
        target = "/" + url.removeprefix(self._connection.server).lstrip("/")
        parts = urlsplit(target)
        subscription = self._subscriptions.get(parts.path) if method.upper() == "GET" else None
        if subscription and "watch" not in parse_qs(parts.query):
            return await self._list(url, subscription)
        response = await self._send(method.upper(), target, json, headers or {}, timeout)
        return Watched(response, subscription) if subscription and response.status < HTTPStatus.BAD_REQUEST else response

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

    async def _list(self, url: str, subscription: Subscription) -> Listed:
        try:
            version = await relist(self._client, *subscription)
            return Listed(url, {"metadata": {"resourceVersion": version}, "items": []})
        except (Gone, TooLarge) as error:
            raise aiohttp.ClientConnectionError(str(error)) from error
        except ApiError as error:
            if not error.status:
                raise aiohttp.ClientConnectionError(str(error)) from error
            return Listed(url, {"kind": "Status", "message": error.message, "reason": error.reason}, error.status)
