"""Wraps a store for the operator: measures it, tracks its health, and reopens it after a failure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog

from controller.api.base import JsonObject
from controller.api.operator_state import OperatorState
from controller.kube.errors import Conflict
from controller.observability.metrics import Metrics
from controller.store import KnownRun, Loaded, Store, StoreUnavailable

log = structlog.get_logger(__name__)

RETRY_SECONDS = 5.0
"""Delay before the store is tried again after a failure."""


class InstrumentedStore:
    """Wraps a store; `problem` is the reason why it cannot be used now, None if it works."""

    def __init__(self, store: Store, metrics: Metrics) -> None:
        self._store, self._metrics = store, metrics
        self.problem: str | None = "it has not been opened yet"
        self._troubled = asyncio.Event()

    @property
    def id(self) -> str:
        """The ID of the store."""
        return self._store.id

    @property
    def detached(self) -> bool:
        """Whether the store's states are stored outside of their Runs."""
        return self._store.detached

    async def open_until_usable(self) -> None:
        """Open the store; after a failure log the reason and retry until it succeeds."""
        while True:
            try:
                await self.open()
            except StoreUnavailable as error:
                log.warning("store unavailable, nothing is done until it recovers", error=str(error))
                await asyncio.sleep(RETRY_SECONDS)
            else:
                log.info("store open", store=self.id)
                return

    async def recover(self, recovered: Callable[[], None]) -> None:
        """After each failure of the store retry until it works again, then call `recovered`; runs until cancelled."""
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
        """Delete a Run's data; see `Store.forget`."""
        async with self._measured("forget"):
            await self._store.forget(run)

    async def known(self) -> frozenset[KnownRun]:
        """Return the Runs that the store has data about; see `Store.known`."""
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
            if operation != "open":  # The caller of `open` retries.
                self._troubled.set()
            raise
        if operation == "open":
            self.problem = None
