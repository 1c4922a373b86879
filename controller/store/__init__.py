"""Stores of the operator's state of each Run. One store is authoritative; every save is a compare-and-swap."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from controller.api.base import JsonObject
from controller.api.operator_state import OperatorState
from controller.errors import RunwatchmanError

STORE_FIELDS = frozenset({"operatorState", "storeID", "stateVersion"})
"""Status fields that a store writes."""

Now = Callable[[], datetime]


class StoreUnavailable(RunwatchmanError):
    """The store is unreachable or, as a whole, not trustworthy. Nothing is done until it recovers."""

    def __init__(self, store: str, cause: str, remedy: str) -> None:
        self.store, self.cause, self.remedy = store, cause, remedy
        super().__init__(f"{store}: {cause}: {remedy}")


@dataclass(frozen=True, slots=True)
class Loaded:
    """The stored data of a Run: its state (None: nothing was saved yet), or the reason why the state is refused.

    `version` counts the saves; it is 0 without a save, or if the store does not count. `pending` means that a save was interrupted
    after the state and before the Run's status: save again before any effect.
    """

    state: OperatorState | None = None
    refusal: str = ""
    version: int = 0
    pending: bool = False


class KnownRun(NamedTuple):
    """A Run that a store has data about."""

    uid: str
    namespace: str
    name: str


class Store(Protocol):
    """Stores one `OperatorState` per Run, keyed by the Run's UID. Every method raises StoreUnavailable if the store fails."""

    @property
    def id(self) -> str:
        """The value of status.storeID of the Runs in this store; known once the store is open."""

    @property
    def detached(self) -> bool:
        """Whether states are stored outside of their Runs, so that the states of deleted Runs must be deleted too."""

    async def open(self) -> None:
        """Prepare the store and check that it is writable. May be called again, to check whether the store has recovered."""

    async def close(self) -> None:
        """Release the store's resources."""

    async def load(self, run: JsonObject, *, live: bool) -> Loaded:
        """Return the saved state of a Run, given as the API server's object. A doubtful state is a refusal, never None.

        Without `live` the result may come from memory: good enough to find out whether anything is due, but not to act on.
        """

    async def commit(
        self, run: JsonObject, before: Loaded, state: OperatorState | None, status: JsonObject
    ) -> tuple[JsonObject, Loaded]:
        """Save the state (None: leave it unchanged) and the status over the version that was read; return both as written.

        `before` is the result of `load` or of the last `commit` for this version of `run`. Raises Conflict if the Run or its state
        has changed since, NotFound if the Run was deleted.
        """

    async def take(self, run: JsonObject, state: OperatorState | None) -> JsonObject:
        """Take over a Run from another store: save its state, then write this store's ID to the Run by compare-and-swap.

        Until that write the other store is authoritative; data that an earlier try left here is overwritten.
        """

    async def release(self, run: JsonObject) -> None:
        """Remove this store's data from a Run after another store has taken it over."""

    async def forget(self, run: KnownRun) -> None:
        """Delete the data of a deleted Run with this UID, namespace and name; do nothing if it was deleted with the Run."""

    async def known(self) -> frozenset[KnownRun]:
        """Return the Runs whose data is stored outside of the Runs themselves."""

    async def mark_migrated(self, to: str) -> None:
        """Make this store refuse to open from now on: its Runs were moved to the store `to`. An empty text removes the mark."""
