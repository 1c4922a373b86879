"""The lists of custom resources: at the start, and again every ten minutes, because kopf does not report all deletions."""

from __future__ import annotations

import asyncio

import structlog

from controller.cache.run_cache import RunCache
from controller.errors import RunwatchmanError
from controller.kube.client import Client
from controller.kube.reflector import Sink, relist
from controller.kube.resources import ESCALATIONS, RUN_POLICIES, RUNS, Resource
from controller.runtime.gc_tuning import freeze_heap
from controller.runtime.instrumented_store import InstrumentedStore
from controller.store.garbage_collection import collect

log = structlog.get_logger(__name__)

RESYNC_SECONDS = 600.0
"""Time between two lists: kopf never reports objects that vanished while it listed again."""


class Resync:
    """Lists what kopf watches into the cache, and has the store forget Runs that are gone. Empty `namespaces` stands for all."""

    def __init__(self, client: Client, cache: RunCache, store: InstrumentedStore, namespaces: tuple[str, ...]) -> None:
        self._client, self._cache, self._store, self._namespaces = client, cache, store, namespaces
        self.sinks: dict[Resource, Sink] = {RUN_POLICIES: cache.policies, ESCALATIONS: cache.escalations, RUNS: cache.runs}
        """Where the objects go; Runs last, because they are judged by the others."""

    async def list_all(self) -> None:
        """List every resource. Raises ApiError."""
        for resource, sink in self.sinks.items():
            for namespace in self._namespaces or (None,):
                await relist(self._client, resource, namespace, sink)

    async def collect(self) -> None:
        """Have the store forget the Runs that are gone. A failure is logged, and made up for at the next resync."""
        try:
            await collect(self._store, self._client, self._cache.runs.items, self._namespaces)
        except RunwatchmanError as error:
            log.warning("states of Runs that are gone were not all deleted", error=str(error))

    async def run(self) -> None:
        """List again and again, until cancelled."""
        while True:
            freeze_heap()
            await asyncio.sleep(RESYNC_SECONDS)
            try:
                await self.list_all()
            except RunwatchmanError as error:
                log.warning("resync failed, will be made again", error=str(error))
            else:
                await self.collect()
