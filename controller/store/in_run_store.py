"""The common part of stores that keep a state on its Run: they open nothing, and no data outlives the Run."""

from __future__ import annotations

from controller.api.base import JsonObject
from controller.kube.client import Client
from controller.store import KnownRun


class InRunStore:
    """Base class of a store whose states are part of their Runs."""

    detached = False

    def __init__(self, client: Client) -> None:
        self._client = client

    async def open(self) -> None:
        """Do nothing: the API server is the store."""

    async def close(self) -> None:
        """Do nothing."""

    async def release(self, run: JsonObject) -> None:
        """Do nothing: the write that names another store has replaced the state."""

    async def forget(self, run: KnownRun) -> None:
        """Do nothing: the state was deleted with its Run."""

    async def known(self) -> frozenset[KnownRun]:
        """Return no Run: the store has no data outside of Runs."""
        return frozenset()

    async def mark_migrated(self, to: str) -> None:
        """Do nothing: each moved Run names its new store, so this one refuses it."""
