"""A thin API client: connection and authentication come from `kubernetes`, bodies are dicts, each kind of error is an exception."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import datetime
from http import HTTPStatus
from typing import Any, NamedTuple

from controller.api.base import JsonObject
from controller.kube.codec import NO_ANSWER, WatchEvent, decoded, lines, unavailable, watch_event
from controller.kube.connection import Connection
from controller.kube.decode import UNREADABLE, decode_items
from controller.kube.errors import Conflict, Gone, Invalid, TooLarge
from controller.kube.request import WATCH_SECONDS, Observer, RequestSender
from controller.kube.resources import PODS, Resource

CHUNK = 500
"""Objects per page of a list, as long as the page has at most `PAGE_BYTES`."""
PAGE_BYTES = 8 * 2**20
"""Maximum JSON of a page. A larger page is requested again with fewer objects; a single object may have any size."""
SMALLER, LARGER = 8, 2
"""Divisor of the page's object count after a page with too many bytes, and its factor after a page that fits."""
WHOLE = 0
"""Stands for "all objects" where a number of objects is expected."""
WHOLE_BYTES = 2 * PAGE_BYTES
"""Maximum JSON of a list that is requested as one page. Such a list has no continue token that could expire."""
RESTARTS = 3
"""How often a list whose continue token expired, and which is too large for one page, starts over before its caller gets the error.
"""
FIELD_MANAGER = "runwatchman"
JSON_PATCH, MERGE_PATCH = "application/json-patch+json", "application/merge-patch+json"


class Listing(NamedTuple):
    """A whole list and the resourceVersion to watch from."""

    items: list[JsonObject]
    resource_version: str


class Page(NamedTuple):
    """Part of a list. A page that does not follow another one starts the list or starts it over."""

    items: list[JsonObject]
    resource_version: str
    follows: bool


class Client:
    """A client of one API server. Every method raises `ApiError` or a subclass.

    It never repeats a write that may have reached the server: only the caller knows whether that is safe. The one exception is
    aiohttp's: it sends PUT and DELETE a second time when a kept-alive connection was dropped. Both carry a resourceVersion or UID,
    so a duplicate fails with Conflict or NotFound.
    """

    def __init__(self, connection: Connection, observe: Observer = lambda *_: None) -> None:
        self.sender = RequestSender(connection, observe)

    async def __aenter__(self) -> Client:
        """Return the client itself; connections are made when needed."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close every connection."""
        await self.sender.close()

    def server_now(self) -> datetime:
        """Return the API server's time, aware UTC."""
        return self.sender.clock.now()

    async def get(self, resource: Resource, namespace: str | None, name: str) -> JsonObject:
        """Read one object, from the API server's storage, not from its cache."""
        return await self._request("GET", resource, namespace, name)

    async def log_tail(self, namespace: str, pod: str, container: str, lines: int, limit: int) -> str:
        """Return the end of a container's log: `lines` lines, cut after `limit` bytes. Bytes that are not UTF-8 are replaced."""
        query: dict[str, str | int] = {"container": container, "tailLines": lines, "limitBytes": limit}
        data = await self.sender.call("GET", PODS, namespace, pod, subresource="log", query=query, verb="LOG")
        return data.decode(errors="replace")

    async def list_all(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        chunk: int = CHUNK,
    ) -> Listing:
        """Read every object of a namespace, or of all namespaces for None; see `pages`."""
        items: list[JsonObject] = []
        async for page in self.pages(resource, namespace, label_selector=label_selector, chunk=chunk):
            if not page.follows:
                items.clear()
            items += page.items
        return Listing(items, page.resource_version)

    async def list_some(self, resource: Resource, namespace: str, *, field_selector: str, most: int) -> list[JsonObject]:
        """Read at most so many objects of a namespace that a field selector matches, in the API server's order."""
        query: dict[str, str | int] = {"fieldSelector": field_selector, "limit": most}
        answer = await self._page(resource, namespace, query, PAGE_BYTES)
        items: list[JsonObject] = answer["items"]
        return items

    async def pages(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        chunk: int = CHUNK,
    ) -> AsyncGenerator[Page, None]:
        """Yield every object of a namespace (None: of all) page by page, so that the caller never holds the whole list.

        The page size adapts to the objects' bytes. If the continue token expires, the list starts over, as one page if that is not
        too large.
        """
        selected: dict[str, str | int] = {"labelSelector": label_selector} if label_selector else {}
        token, limit, restarts = "", chunk, RESTARTS
        while True:
            query = selected | ({"limit": limit} if limit else {}) | ({"continue": token} if token else {})
            try:
                answer = await self._page(resource, namespace, query, _most(limit))
            except TooLarge:
                limit = max(1, limit // SMALLER) if limit else chunk
                continue
            except Gone:
                if not token or not restarts:
                    raise
                token, limit, restarts = "", WHOLE, restarts - 1
                continue
            limit = min(chunk, limit * LARGER)
            yield Page(answer.pop("items"), answer["metadata"]["resourceVersion"], follows=bool(token))
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
            body={field: value for field, value in body.items() if field != UNREADABLE},
            query={"fieldManager": FIELD_MANAGER},
        )

    async def json_patch(self, resource: Resource, namespace: str, name: str, operations: list[JsonObject]) -> JsonObject:
        """Apply JSON patch operations (RFC 6902). A failed `test` raises Conflict: the object is not what was expected.

        A path that does not exist raises Conflict too. A refusal by validation stays Invalid: a retry would be refused again.
        """
        try:
            return await self._patch(resource, namespace, name, operations, JSON_PATCH)
        except Invalid as error:
            if error.details or error.status != HTTPStatus.UNPROCESSABLE_ENTITY:
                raise  # Validation and admission give details; a failed test is a 422 without details.
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
        grace_seconds: int | None = None,
    ) -> None:
        """Delete the object that has this UID (and resourceVersion, if given); another object of that name raises Conflict.

        `grace_seconds` is for pods: the termination grace period. For a pod that is already being deleted it can only shorten the
        period.
        """
        preconditions = {"uid": uid} | ({"resourceVersion": resource_version} if resource_version else {})
        body: JsonObject = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": preconditions}
        if propagation:
            body["propagationPolicy"] = propagation
        if grace_seconds is not None:
            body["gracePeriodSeconds"] = grace_seconds
        await self._request("DELETE", resource, namespace, name, body=body)

    async def watch(
        self,
        resource: Resource,
        namespace: str | None,
        resource_version: str,
        *,
        label_selector: str | None = None,
    ) -> AsyncGenerator[WatchEvent, None]:
        """Yield the events after a resourceVersion until the API server closes the watch. Raises Gone if the version is too old."""
        query: dict[str, str | int] = {"watch": "1", "resourceVersion": resource_version}
        query |= {"allowWatchBookmarks": "true", "timeoutSeconds": WATCH_SECONDS}
        query |= {"labelSelector": label_selector} if label_selector else {}
        path = resource.path(namespace)
        what = f"WATCH {path}"
        response = await self.sender.open_watch(what, resource, path, query)
        try:
            async for line in lines(response.content):
                yield watch_event(what, line, resource.max_bytes)
        except NO_ANSWER as error:
            raise unavailable(what, error) from error
        finally:
            response.close()

    async def _patch(self, resource: Resource, namespace: str, name: str, body: Any, content_type: str) -> JsonObject:
        query: dict[str, str | int] = {"fieldManager": FIELD_MANAGER}
        return await self._request("PATCH", resource, namespace, name, body=body, query=query, content_type=content_type)

    async def _request(
        self, method: str, resource: Resource, namespace: str | None, name: str | None = None, **more: Any
    ) -> JsonObject:
        """Return the object in the response to a request; `more` is passed to `RequestSender.call`."""
        answer = await self.sender.call(method, resource, namespace, name, **more)
        what = f"{method} {resource.path(namespace, name, more.get('subresource'))}"
        return decoded(what, answer, resource.max_bytes)

    async def _page(self, resource: Resource, namespace: str | None, query: dict[str, str | int], most: int | None) -> JsonObject:
        answer = await self.sender.call("GET", resource, namespace, query=query, verb="LIST", most=most)
        return decoded(f"LIST {resource.path(namespace)}", answer, resource.max_bytes, decode_items)


def _most(limit: int) -> int | None:
    """Return the maximum bytes of a page of so many objects; None for a single object."""
    return {WHOLE: WHOLE_BYTES, 1: None}.get(limit, PAGE_BYTES)
