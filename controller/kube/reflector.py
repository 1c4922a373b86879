"""List and watch of one resource: the sink hears of every object, and of every one that vanished while nobody listened.

Lighter than kopf per event, and kopf never tells of objects that vanished during a relist. See docs/architecture.md.
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
from controller.kube.codec import WatchEvent
from controller.kube.errors import ApiError, Forbidden, NotFound, Unauthorized, retry_after
from controller.kube.resources import Resource
from controller.kube.yielding import Slice, yielding

log = structlog.get_logger(__name__)

FIRST_BACKOFF_SECONDS, MAX_BACKOFF_SECONDS = 0.5, 30.0
MAX_DOUBLINGS = 10
"""Beyond which a power of two would only overflow: an API server may be gone for days."""
HOPELESS_TRIES = 5
"""Refusals (401, 403, 404), with no working watch between them, after which the operator exits with the reason."""


class Sink(Protocol):
    """Hears what a resource holds."""

    def upsert(self, obj: JsonObject) -> None:
        """Take an object that was listed, added or modified. It may be kept, and may be changed."""

    def remove(self, obj: JsonObject) -> None:
        """Take an object that was deleted."""

    def retain(self, namespace: str | None, uids: Collection[str], resource_version: str) -> None:
        """Take whom a whole list of a namespace (None: of all) named: what is not in it has vanished."""


async def relist(client: Client, resource: Resource, namespace: str | None, sink: Sink, *, labels: str | None = None) -> str:
    """List once into the sink, page by page, and return the resourceVersion to watch from. Raises ApiError."""
    listed: set[str] = set()
    async for page in client.pages(resource, namespace, label_selector=labels):
        if not page.follows:
            listed.clear()
        async for obj in yielding(page.items):
            listed.add(obj["metadata"]["uid"])
            sink.upsert(obj)
        page.items.clear()  # The next page is read meanwhile, and there is to be one of them in memory.
    sink.retain(namespace, listed, page.resource_version)
    return page.resource_version


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

        Raises ApiError where the API server keeps refusing (401, 403, 404): the operator cannot work without its watches.
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
                log.warning("watch ended, will list again", resource=self._resource.plural, error=str(error))
                retry_after_seconds = retry_after(error)
            await self._pause(trouble.failures, retry_after_seconds)

    async def _follow(self, namespace: str | None, version: str, trouble: _Trouble) -> None:
        """Follow the watch; one that the API server closes in the ordinary way is taken up where it ended."""
        while True:
            async with aclosing(self._client.watch(self._resource, namespace, version, label_selector=self._labels)) as events:
                piece = Slice()
                async for event in events:
                    trouble.over()
                    version = event.object["metadata"]["resourceVersion"]
                    self._apply(event)
                    await piece.yield_if_over()
            trouble.over()
            await self._pause(0)

    def _apply(self, event: WatchEvent) -> None:
        if event.type == "DELETED":
            self._sink.remove(event.object)
        elif event.type != "BOOKMARK":
            self._sink.upsert(event.object)

    def _mark_synced(self, namespace: str | None) -> None:
        self._unsynced.discard(namespace)
        if not self._unsynced:
            self.synced.set()

    async def _pause(self, failures: int, retry_after_seconds: float = 0.0) -> None:
        """Wait longer with each failure, and at least for as long as the API server has told."""
        seconds: float = min(FIRST_BACKOFF_SECONDS * 2 ** min(failures, MAX_DOUBLINGS), MAX_BACKOFF_SECONDS)
        await asyncio.sleep(max(retry_after_seconds, seconds * self._jitter.uniform(0.5, 1.0)))


@dataclass(slots=True)
class _Trouble:
    """What went wrong since a watch last worked. A list that succeeds proves nothing: it would be made again and again."""

    failures: int = 0
    refusals: int = 0

    def note(self, error: ApiError) -> None:
        self.failures += 1
        self.refusals += isinstance(error, Unauthorized | Forbidden | NotFound)

    def over(self) -> None:
        self.failures = self.refusals = 0
