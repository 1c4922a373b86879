"""A thin client: kubernetes' own connection, authentication and retries; bodies are dicts; errors are told apart."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio.client.rest import RESTClientObject

from controller import __version__
from controller.cluster.clock import ServerClock
from controller.cluster.connection import Connection
from controller.cluster.errors import ApiError, Conflict, Gone, Invalid, Unavailable, error_of
from controller.cluster.resources import Resource

JsonObject = dict[str, Any]

REQUEST_SECONDS = 10.0
"""How long one request may take."""
WATCH_SECONDS, WATCH_GRACE_SECONDS = 300, 30
"""How long the API server keeps a watch open, and how much longer we wait for it to close it."""
CHUNK = 500
"""Objects a page of a list."""
FIELD_MANAGER = "runwarden"
JSON, JSON_PATCH, MERGE_PATCH = (
    "application/json",
    "application/json-patch+json",
    "application/merge-patch+json",
)

Observer = Callable[[str, str, int, float], None]


class Listing(NamedTuple):
    """A whole list and the resourceVersion to watch from."""

    items: list[JsonObject]
    resource_version: str


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """ADDED, MODIFIED, DELETED or BOOKMARK, and the object."""

    type: str
    object: JsonObject


class Client:
    """Speaks to one API server. Every method raises `ApiError` or one of its kinds.

    A write that may have reached the server is never repeated here: only the caller knows whether that is safe.
    """

    def __init__(self, connection: Connection, observe: Observer = lambda *_: None) -> None:
        self._connection = connection
        self._rest: Any = RESTClientObject(connection.configuration)
        self._observe = observe
        self._clock = ServerClock()

    async def __aenter__(self) -> Client:
        """Return the client itself; connections are made when needed."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close every connection."""
        await self._rest.close()

    def server_now(self) -> datetime:
        """Return the API server's time, aware UTC."""
        return self._clock.now()

    async def get(self, resource: Resource, namespace: str | None, name: str) -> JsonObject:
        """Read one object, from the API server's storage, not from its cache."""
        return await self._request("GET", resource, namespace, name)

    async def list_all(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        chunk: int = CHUNK,
    ) -> Listing:
        """Read every object of a namespace, or of all for None, page by page; a page that is too old starts it over."""
        query: dict[str, str | int] = {"limit": chunk} | ({"labelSelector": label_selector} if label_selector else {})
        items: list[JsonObject] = []
        token = ""
        while True:
            page_query = query | ({"continue": token} if token else {})
            try:
                page = await self._request("GET", resource, namespace, query=page_query, verb="LIST")
            except Gone:
                if not token:
                    raise
                items, token = [], ""
                continue
            items += page["items"]
            token = page["metadata"].get("continue", "")
            if not token:
                return Listing(items, page["metadata"]["resourceVersion"])

    async def create(self, resource: Resource, namespace: str | None, body: JsonObject) -> JsonObject:
        """Create an object and return it as stored."""
        return await self._request("POST", resource, namespace, body=body, query={"fieldManager": FIELD_MANAGER})

    async def replace(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        body: JsonObject,
        *,
        subresource: str | None = None,
    ) -> JsonObject:
        """Replace an object or subresource; the body's resourceVersion is the compare-and-swap."""
        return await self._request(
            "PUT",
            resource,
            namespace,
            name,
            subresource=subresource,
            body=body,
            query={"fieldManager": FIELD_MANAGER},
        )

    async def json_patch(self, resource: Resource, namespace: str, name: str, operations: list[JsonObject]) -> JsonObject:
        """Apply JSON patch operations (RFC 6902); a `test` that fails raises Conflict: the object is not what was expected."""
        try:
            return await self._patch(resource, namespace, name, operations, JSON_PATCH)
        except Invalid as error:
            raise Conflict(f"PATCH {resource.path(namespace, name)}", error.status, error.reason, error.message) from error

    async def merge_patch(self, resource: Resource, namespace: str, name: str, body: JsonObject) -> JsonObject:
        """Apply a merge patch (RFC 7386); put the UID into its metadata to fence it."""
        return await self._patch(resource, namespace, name, body, MERGE_PATCH)

    async def delete(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        *,
        uid: str,
        resource_version: str | None = None,
        propagation: str | None = None,
    ) -> None:
        """Delete the object that has this UID (and resourceVersion, if given); another one of the name raises Conflict."""
        preconditions = {"uid": uid} | ({"resourceVersion": resource_version} if resource_version else {})
        body: JsonObject = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": preconditions}
        if propagation:
            body["propagationPolicy"] = propagation
        await self._request("DELETE", resource, namespace, name, body=body)

    async def watch(
        self,
        resource: Resource,
        namespace: str | None,
        resource_version: str,
        *,
        label_selector: str | None = None,
    ) -> AsyncIterator[WatchEvent]:
        """Yield what happens from a resourceVersion on until the API server closes the watch; raises Gone when it is too old."""
        query: dict[str, str | int] = {"watch": "1", "resourceVersion": resource_version}
        query |= {"allowWatchBookmarks": "true", "timeoutSeconds": WATCH_SECONDS}
        query |= {"labelSelector": label_selector} if label_selector else {}
        what = f"WATCH {resource.plural}"
        timeout = WATCH_SECONDS + WATCH_GRACE_SECONDS
        try:
            response = await self._send("GET", resource.path(namespace), query, None, JSON, timeout)
            if response.status >= HTTPStatus.BAD_REQUEST:
                raise error_of(what, response.status, await response.read(), response.headers.get("Retry-After"))
            async for line in response.content:
                yield _watch_event(what, line)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _unavailable(what, error) from error

    async def _patch(self, resource: Resource, namespace: str, name: str, body: Any, content_type: str) -> JsonObject:
        query: dict[str, str | int] = {"fieldManager": FIELD_MANAGER}
        return await self._request("PATCH", resource, namespace, name, body=body, query=query, content_type=content_type)

    async def _request(
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
    ) -> JsonObject:
        path = resource.path(namespace, name, subresource)
        what = f"{verb or method} {path}"
        started = time.monotonic()
        code = 0
        try:
            response = await self._send(method, path, query, body, content_type, REQUEST_SECONDS)
            data = await response.read()
            code = response.status
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _unavailable(what, error) from error
        finally:
            self._observe(verb or method, resource.plural, code, time.monotonic() - started)
        self._clock.hear(response.headers.get("Date"), started, time.monotonic())
        if code >= HTTPStatus.BAD_REQUEST:
            raise error_of(what, code, data, response.headers.get("Retry-After"))
        answer: JsonObject = json.loads(data)
        return answer

    async def _send(
        self,
        method: str,
        path: str,
        query: dict[str, str | int] | None,
        body: Any,
        content_type: str,
        timeout: float,
    ) -> aiohttp.ClientResponse:
        headers = {"Content-Type": content_type, "Accept": JSON, "User-Agent": f"runwarden/{__version__}"}
        if authorization := await self._connection.authorization():
            headers["Authorization"] = authorization
        url = self._connection.server + path + (f"?{urlencode(query)}" if query else "")
        answer = await self._rest.request(method, url, headers=headers, body=body, _request_timeout=timeout)
        response: aiohttp.ClientResponse = answer.response
        return response


def _watch_event(what: str, line: bytes) -> WatchEvent:
    try:
        event = json.loads(line)
    except ValueError as error:
        raise _unavailable(what, error) from error
    if event["type"] == "ERROR":
        status = event["object"]
        raise error_of(what, status.get("code", HTTPStatus.INTERNAL_SERVER_ERROR), json.dumps(status).encode())
    return WatchEvent(event["type"], event["object"])


def _unavailable(what: str, error: Exception) -> ApiError:
    return Unavailable(what, 0, type(error).__name__, str(error) or "no answer in time")
