"""What the stores that keep a state on its Run have in common: nothing to open, and nothing that outlives the Run."""

from __future__ import annotations

from controller.api.base import JsonObject
from controller.store import KnownRun


class InRunStore:
    """The base of a store whose states come and go with their Runs."""

    detached = False

    async def open(self) -> None:
        """Do nothing: the API server is the store."""

    async def close(self) -> None:
        """Do nothing."""

    async def release(self, run: JsonObject) -> None:
        """Do nothing: the write that names another store has replaced the state."""

    async def forget(self, run: KnownRun) -> None:
        """Do nothing: the state went with its Run."""

    async def known(self) -> frozenset[KnownRun]:
        """Return no Run: none is known without its object."""
        return frozenset()

    async def mark_migrated(self, to: str) -> None:
        """Do nothing: each moved Run names its new store, and is refused by this one."""
