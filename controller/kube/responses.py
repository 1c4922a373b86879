"""The responses that kopf gets from its session (`session.py`) in place of the API server's lists and watches."""

from __future__ import annotations

from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import NamedTuple, Self

import aiohttp
import orjson
import structlog
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from controller.api.base import JsonObject
from controller.kube.codec import lines
from controller.kube.decode import Malformed, decode_event
from controller.kube.reflector import Sink, apply_event
from controller.kube.resources import Resource
from controller.kube.yielding import Slice

log = structlog.get_logger(__name__)

CHANGES = frozenset({"ADDED", "MODIFIED", "DELETED"})
"""Types of the events that carry an object. All others, such as ERROR and BOOKMARK, are for kopf."""


class Subscription(NamedTuple):
    """A resource that kopf lists and watches in a namespace (None: in all), and the sink of its objects."""

    resource: Resource
    namespace: str | None
    sink: Sink


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
    """The response to a watch. Its content is a bookmark for each object that was passed to the sink, and all other events."""

    def __init__(self, response: aiohttp.ClientResponse, subscription: Subscription) -> None:
        self._response, self._subscription = response, subscription
        self.status, self.headers, self.content = response.status, response.headers, self

    def close(self) -> None:
        """Close the watch."""
        self._response.close()

    async def iter_chunked(self, _: int) -> AsyncIterator[bytes]:
        """Yield line by line; the requested chunk size is ignored."""
        piece = Slice()
        async for line in lines(self._response.content):
            yield self._for_kopf(line) + b"\n"
            await piece.yield_if_over()

    def _for_kopf(self, line: bytes) -> bytes:
        """Pass the object of an event to the sink and return a bookmark of its version; return any other event."""
        try:
            event = decode_event(line, self._subscription.resource.max_bytes)
        except Malformed as error:
            raise aiohttp.ClientPayloadError(str(error)) from error  # kopf connects again
        kind, obj = event.get("type"), event.get("object")
        if kind not in CHANGES:
            return orjson.dumps(event)
        if not isinstance(obj, dict) or not isinstance(metadata := obj.get("metadata"), dict):
            raise aiohttp.ClientPayloadError("an event without an object")
        version = metadata.get("resourceVersion")
        self._apply(kind, obj)
        bookmark = {"metadata": {"resourceVersion": version} if version else {}}
        return orjson.dumps({"type": "BOOKMARK", "object": bookmark})

    def _apply(self, kind: str, obj: JsonObject) -> None:
        """Pass an object to the sink. An error affects only this object, as an error of a handler would in kopf."""
        try:
            apply_event(self._subscription.sink, kind, obj)
        except Exception:  # in place of kopf's around its handlers: indexes and queues run outside of ObjectStore's fence
            identity = {field: obj["metadata"].get(field) for field in ("namespace", "name")}
            log.exception("an event could not be applied", resource=self._subscription.resource.plural, **identity)
