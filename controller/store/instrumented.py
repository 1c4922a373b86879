"""A store as the operator uses it: measured, its health known, opened when it can be, and tried again while it fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog

from controller.api.base import JsonObject
from controller.api.run_status import OperatorState
from controller.kube.errors import Conflict
from controller.observability.metrics import Metrics
from controller.store import KnownRun, Loaded, Store, StoreUnavailable

log = structlog.get_logger(__name__)

RETRY_SECONDS = 5.0
"""How long after a fault the store is tried again."""


class InstrumentedStore:
    """Wraps a store; `problem` is why it cannot be used now, None while it can."""

    def __init__(self, store: Store, metrics: Metrics) -> None:
        self._store, self._metrics = store, metrics
        self.problem: str | None = "it was not opened yet"
        self._troubled = asyncio.Event()

    @property
    def id(self) -> str:
        """The ID of the store."""
        return self._store.id

    @property
    def detached(self) -> bool:
        """Whether the store's states live outside of their Runs."""
        return self._store.detached

    async def open_until_usable(self) -> None:
        """Open the store; where that fails say why and try again until it succeeds."""
        while True:
            try:
                await self.open()
            except StoreUnavailable as error:
                log.warning("store cannot be used, nothing is done until it can", error=str(error))
                await asyncio.sleep(RETRY_SECONDS)
            else:
                log.info("store open", store=self.id)
                return

    async def recover(self, recovered: Callable[[], None]) -> None:
        """Whenever the store has failed, try it until it works again, and tell `recovered`; until cancelled."""
        while True:
            await self._troubled.wait()
            self._troubled.clear()
            await asyncio.sleep(RETRY_SECONDS)
            await self.open_until_usable()
            recovered()

    async def open(self) -> None:
        """Open the store; see `Store.open`."""
        async with self._measured("open"):
            await self._store.open()

    async def close(self) -> None:
        """Close the store."""
        await self._store.close()

    async def load(self, run: JsonObject, *, live: bool) -> Loaded:
        """Load a state; see `Store.load`."""
        async with self._measured("load_live" if live else "load_cached"):
            return await self._store.load(run, live=live)

    async def commit(
        self, run: JsonObject, before: Loaded, state: OperatorState | None, status: JsonObject
    ) -> tuple[JsonObject, Loaded]:
        """Save a state and a status; see `Store.commit`."""
        async with self._measured("commit"):
            return await self._store.commit(run, before, state, status)

    async def take(self, run: JsonObject, state: OperatorState | None) -> JsonObject:
        """Take over a Run; see `Store.take`."""
        async with self._measured("take"):
            return await self._store.take(run, state)

    async def release(self, run: JsonObject) -> None:
        """Clean up a Run that was taken; see `Store.release`."""
        async with self._measured("release"):
            await self._store.release(run)

    async def forget(self, run: KnownRun) -> None:
        """Forget a Run; see `Store.forget`."""
        async with self._measured("forget"):
            await self._store.forget(run)

    async def known(self) -> frozenset[KnownRun]:
        """Return the Runs that something is kept of; see `Store.known`."""
        async with self._measured("known"):
            return await self._store.known()

    async def mark_migrated(self, to: str) -> None:
        """Mark the store; see `Store.mark_migrated`."""
        async with self._measured("mark"):
            await self._store.mark_migrated(to)

    @asynccontextmanager
    async def _measured(self, operation: str) -> AsyncIterator[None]:
        try:
            with self._metrics.store_duration_of(operation).time():
                yield
        except Conflict:
            self._metrics.store_conflicts.inc()
            raise
        except StoreUnavailable as error:
            self._metrics.store_errors.inc()
            self.problem = str(error)
            if operation != "open":  # Whoever opens it tries again.
                self._troubled.set()
            raise
        if operation == "open":
            self.problem = None
