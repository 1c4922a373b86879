"""A thin client: kubernetes' own connection and authentication; bodies are dicts; errors are told apart."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from datetime import datetime
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio.config import ConfigException

from controller.api.base import JsonObject
from controller.cluster.clock import ServerClock
from controller.cluster.connection import Connection
from controller.cluster.errors import ApiError, Conflict, Gone, Invalid, Unauthorized, error_of, told_to_wait
from controller.cluster.resources import PODS, Resource
from controller.cluster.transport import Transport
from controller.cluster.wire import NO_ANSWER, WatchEvent, json_bytes, json_object, lines, unavailable, watch_event

REQUEST_SECONDS = 10.0
"""How long one request may take, what it is told to wait by Retry-After included."""
WATCH_OPEN_SECONDS = 30.0
"""How long a watch may take to begin: twice what the API server's flow control lets a request queue at the most."""
WATCH_SECONDS, WATCH_GRACE_SECONDS = 300, 30
"""How long the API server keeps a watch open, and how much longer we wait for it to close it."""
CHUNK = 500
"""Objects a page of a list."""
FIELD_MANAGER = "runwarden"
READ_ATTEMPTS = 4
"""How often a read is sent at the most while the API server answers with Retry-After."""
SHORT_WAIT_SECONDS = 2.0
"""The longest Retry-After that a read waits out itself; what is longer is its caller's to wait for, and holds up no worker."""
UNLIMITED = aiohttp.ClientTimeout(total=None)
"""aiohttp's own limit is off: it would start anew with each retry."""
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


class Page(NamedTuple):
    """Some of a list; one that does not follow another begins it, or begins it anew."""

    items: list[JsonObject]
    resource_version: str
    follows: bool


class Client:
    """Speaks to one API server. Every method raises `ApiError` or one of its kinds.

    A write that may have reached the server is never repeated here: only the caller knows whether that is safe. The one exception
    is aiohttp's: PUT and DELETE are sent again, once, when a kept connection turns out dropped. Their resourceVersion or UID makes
    of a second arrival a Conflict or NotFound.
    """

    def __init__(self, connection: Connection, observe: Observer = lambda *_: None) -> None:
        self._connection = connection
        self._transport = Transport(connection.configuration)
        self._observe = observe
        self._clock = ServerClock()

    async def __aenter__(self) -> Client:
        """Return the client itself; connections are made when needed."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close every connection."""
        await self._transport.close()

    def server_now(self) -> datetime:
        """Return the API server's time, aware UTC."""
        return self._clock.now()

    async def get(self, resource: Resource, namespace: str | None, name: str) -> JsonObject:
        """Read one object, from the API server's storage, not from its cache."""
        return await self._request("GET", resource, namespace, name)

    async def log_tail(self, namespace: str, pod: str, container: str, lines: int, limit: int) -> str:
        """Return the end of a container's log: so many lines, cut after so many bytes. Bytes that are no UTF-8 are replaced."""
        query: dict[str, str | int] = {"container": container, "tailLines": lines, "limitBytes": limit}
        data = await self._answer("GET", PODS, namespace, pod, subresource="log", query=query, verb="LOG")
        return data.decode(errors="replace")

    async def list_all(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        chunk: int = CHUNK,
    ) -> Listing:
        """Read every object of a namespace, or of all for None; see `pages`."""
        items: list[JsonObject] = []
        async for page in self.pages(resource, namespace, label_selector=label_selector, chunk=chunk):
            if not page.follows:
                items.clear()
            items += page.items
        return Listing(items, page.resource_version)

    async def pages(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        chunk: int = CHUNK,
    ) -> AsyncGenerator[Page, None]:
        """Yield every object of a namespace, or of all for None, page by page: whoever keeps little of each never holds them all.

        A page that is too old starts it over, and then in one page, which cannot become too old.
        """
        query: dict[str, str | int] = {"limit": chunk} | ({"labelSelector": label_selector} if label_selector else {})
        token = ""
        while True:
            page_query = query | ({"continue": token} if token else {})
            try:
                answer = await self._request("GET", resource, namespace, query=page_query, verb="LIST")
            except Gone:
                if query.pop("limit", None) is None or not token:
                    raise
                token = ""
                continue
            page = Page(answer.pop("items") or [], answer["metadata"]["resourceVersion"], follows=bool(token))
            yield page
            token = answer["metadata"].get("continue", "")
            if not token:
                return

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
        """Apply JSON patch operations (RFC 6902); a `test` that fails raises Conflict: the object is not what was expected.

        So does a path that is not there. What validation refuses stays Invalid: it would be refused again.
        """
        try:
            return await self._patch(resource, namespace, name, operations, JSON_PATCH)
        except Invalid as error:
            if error.details or error.status != HTTPStatus.UNPROCESSABLE_ENTITY:
                raise  # Validation and admission say what they found; a failed test is a 422 without details.
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
    ) -> AsyncGenerator[WatchEvent, None]:
        """Yield what happens from a resourceVersion on until the API server closes the watch; raises Gone when it is too old."""
        query: dict[str, str | int] = {"watch": "1", "resourceVersion": resource_version}
        query |= {"allowWatchBookmarks": "true", "timeoutSeconds": WATCH_SECONDS}
        query |= {"labelSelector": label_selector} if label_selector else {}
        path = resource.path(namespace)
        what = f"WATCH {path}"
        response = await self._open_watch(what, resource, path, query)
        try:
            async for line in lines(response.content):
                yield watch_event(what, line)
        except NO_ANSWER as error:
            raise unavailable(what, error) from error
        finally:
            response.close()

    async def _open_watch(self, what: str, resource: Resource, path: str, query: dict[str, str | int]) -> aiohttp.ClientResponse:
        started, code = time.monotonic(), 0
        limit = aiohttp.ClientTimeout(total=WATCH_SECONDS + WATCH_GRACE_SECONDS)
        try:
            async with asyncio.timeout(WATCH_OPEN_SECONDS):
                response = await self._send(what, "GET", path, query, None, JSON, limit)
                code = response.status
                if code >= HTTPStatus.BAD_REQUEST:
                    raise error_of(what, code, await response.read(), response.headers.get("Retry-After"))
        except NO_ANSWER as error:
            raise unavailable(what, error) from error
        finally:
            self._observe("WATCH", resource.plural, code, time.monotonic() - started)
        return response

    async def _patch(self, resource: Resource, namespace: str, name: str, body: Any, content_type: str) -> JsonObject:
        query: dict[str, str | int] = {"fieldManager": FIELD_MANAGER}
        return await self._request("PATCH", resource, namespace, name, body=body, query=query, content_type=content_type)

    async def _request(
        self, method: str, resource: Resource, namespace: str | None, name: str | None = None, **more: Any
    ) -> JsonObject:
        """Return the object that answers a request; `more` is what `_answer` takes."""
        answer = await self._answer(method, resource, namespace, name, **more)
        return json_object(f"{method} {resource.path(namespace, name, more.get('subresource'))}", answer)

    async def _answer(
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
    ) -> bytes:
        """Return the body of an answer that says yes. Raises ApiError."""
        path = resource.path(namespace, name, subresource)
        what = f"{verb or method} {path}"
        started, code = time.monotonic(), 0
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                response = await self._send(what, method, path, query, body, content_type, UNLIMITED)
                data = await response.read()
            code = response.status
        except NO_ANSWER as error:
            raise unavailable(what, error) from error
        except ApiError as error:
            code = error.status
            raise
        finally:
            self._observe(verb or method, resource.plural, code, time.monotonic() - started)
        self._clock.hear(response.headers.get("Date"), started, time.monotonic())
        if code >= HTTPStatus.BAD_REQUEST:
            raise error_of(what, code, data, response.headers.get("Retry-After"))
        return data

    async def _send(
        self,
        what: str,
        method: str,
        path: str,
        query: dict[str, str | int] | None,
        body: Any,
        content_type: str,
        limit: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        headers = {"Content-Type": content_type}
        if authorization := await self._authorization(what):
            headers["Authorization"] = authorization
        target = path + (f"?{urlencode(query)}" if query else "")
        data = None if body is None else json_bytes(body)
        for left in reversed(range(READ_ATTEMPTS)):
            response = await self._transport.request(method, target, headers, data, limit)
            wait = told_to_wait(response.status, response.headers.get("Retry-After")) if method == "GET" else None
            if wait is None or wait > SHORT_WAIT_SECONDS or not left:
                break
            response.release()
            await asyncio.sleep(wait)
        return response

    async def _authorization(self, what: str) -> str | None:
        try:
            return await self._connection.authorization()
        except (ConfigException, OSError) as error:  # A mounted token that is just being replaced, or was never there.
            raise Unauthorized(what, 0, "NoCredentials", str(error)) from error
