"""List and watch of one resource: the sink gets every object, and every deletion, also of objects that vanished between two
watches.

It is cheaper than kopf per event, and kopf does not report objects that vanished before a relist. See docs/architecture.md.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Collection, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

import structlog

from controller.api.base import JsonObject
from controller.kube.client import Client
from controller.kube.errors import ApiError, Forbidden, NotFound, Unauthorized, retry_after
from controller.kube.resources import Resource
from controller.kube.yielding import Slice, yielding

log = structlog.get_logger(__name__)

FIRST_BACKOFF_SECONDS, MAX_BACKOFF_SECONDS = 0.5, 30.0
MAX_DOUBLINGS = 10
"""Limit of the exponent: beyond it a power of two would only overflow, and an API server may be unavailable for days."""
HOPELESS_TRIES = 5
"""Refusals (401, 403, 404) without a working watch between them after which the operator exits with the reason."""


class Sink(Protocol):
    """Receives the objects of a resource."""

    def upsert(self, obj: JsonObject) -> None:
        """Accept an object that was listed, added or modified. The sink may keep it and change it."""

    def remove(self, obj: JsonObject) -> None:
        """Remove an object that was deleted."""

    def retain(self, namespace: str | None, uids: Collection[str], resource_version: str) -> None:
        """Keep only the objects that a complete list of a namespace (None: of all) contained; all others have vanished."""


async def relist(client: Client, resource: Resource, namespace: str | None, sink: Sink, *, labels: str | None = None) -> str:
    """List once into the sink, page by page, and return the resourceVersion to watch from. Raises ApiError."""
    listed: set[str] = set()
    async for page in client.pages(resource, namespace, label_selector=labels):
        if not page.follows:
            listed.clear()
        async for obj in yielding(page.items):
            listed.add(obj["metadata"]["uid"])
            sink.upsert(obj)
        page.items.clear()  # The next page is read meanwhile; only one page shall be in memory.
    sink.retain(namespace, listed, page.resource_version)
    return page.resource_version


def apply_event(sink: Sink, kind: str | None, obj: JsonObject) -> None:
    """Pass the object of a watch event to a sink; `kind` is the event's type, and any but DELETED means that the object exists."""
    if kind == "DELETED":
        sink.remove(obj)
    else:
        sink.upsert(obj)


class Reflector:
    """Keeps a sink up to date with one resource in the given namespaces (None: all)."""

    def __init__(
        self,
        client: Client,
        resource: Resource,
        namespaces: Sequence[str | None],
        sink: Sink,
        *,
        labels: str | None = None,
        jitter: random.Random | None = None,
    ) -> None:
        self._client, self._resource, self._sink, self._labels = client, resource, sink, labels
        self._namespaces = namespaces
        self._jitter = jitter or random.Random()  # noqa: S311  # spreads retries, keeps no secret
        self._unsynced = set(namespaces)
        self.synced = asyncio.Event()

    async def run(self) -> None:
        """Reflect until cancelled.

        Raises ApiError if the API server keeps refusing (401, 403, 404): the operator cannot work without its watches.
        """
        async with asyncio.TaskGroup() as group:
            for namespace in self._namespaces:
                group.create_task(self._keep(namespace), name=f"reflect {self._resource.plural} {namespace or 'all'}")

    async def _keep(self, namespace: str | None) -> None:
        trouble = _Trouble()
        while True:
            retry_after_seconds = 0.0
            try:
                version = await relist(self._client, self._resource, namespace, self._sink, labels=self._labels)
                self._mark_synced(namespace)
                await self._follow(namespace, version, trouble)
            except ApiError as error:
                trouble.note(error)
                if trouble.refusals >= HOPELESS_TRIES:
                    raise
                log.warning("watch ended, listing again", resource=self._resource.plural, error=str(error))
                retry_after_seconds = retry_after(error)
            await self._pause(trouble.failures, retry_after_seconds)

    async def _follow(self, namespace: str | None, version: str, trouble: _Trouble) -> None:
        """Process the watch's events; resume where it ended when the API server closes it normally."""
        while True:
            async with aclosing(self._client.watch(self._resource, namespace, version, label_selector=self._labels)) as events:
                piece = Slice()
                async for event in events:
                    trouble.over()
                    version = event.object["metadata"]["resourceVersion"]
                    if event.type != "BOOKMARK":
                        apply_event(self._sink, event.type, event.object)
                    await piece.yield_if_over()
            trouble.over()
            await self._pause(0)

    def _mark_synced(self, namespace: str | None) -> None:
        self._unsynced.discard(namespace)
        if not self._unsynced:
            self.synced.set()

    async def _pause(self, failures: int, retry_after_seconds: float = 0.0) -> None:
        """Wait longer after each failure, and at least as long as the API server asked."""
        seconds: float = min(FIRST_BACKOFF_SECONDS * 2 ** min(failures, MAX_DOUBLINGS), MAX_BACKOFF_SECONDS)
        await asyncio.sleep(max(retry_after_seconds, seconds * self._jitter.uniform(0.5, 1.0)))


@dataclass(slots=True)
class _Trouble:
    """Failures since a watch last worked. A successful list does not reset them, or a refused watch would list forever."""

    failures: int = 0
    refusals: int = 0

    def note(self, error: ApiError) -> None:
        self.failures += 1
        self.refusals += isinstance(error, Unauthorized | Forbidden | NotFound)

    def over(self) -> None:
        self.failures = self.refusals = 0
