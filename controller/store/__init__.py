"""Where the operator's state of each Run is kept. One authoritative store; every save is a compare-and-swap."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from controller.api.base import JsonObject
from controller.api.run_status import OperatorState
from controller.errors import RunwardenError

STORE_FIELDS = frozenset({"operatorState", "storeID", "stateVersion"})
"""The fields of a Run's status that a store writes."""

Now = Callable[[], datetime]


class StoreUnavailable(RunwardenError):
    """The store cannot be asked, or not be trusted as a whole: nothing is done until it can."""

    def __init__(self, store: str, cause: str, remedy: str) -> None:
        self.store, self.cause, self.remedy = store, cause, remedy
        super().__init__(f"{store}: {cause}: {remedy}")


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a store knows of a Run: its state, None where nothing was saved yet, or why the state cannot be trusted.

    `version` counts the saves, 0 where none was made or the store does not count. `pending` says that a save was cut off between
    the state and the Run's status: save again before any effect.
    """

    state: OperatorState | None = None
    refusal: str = ""
    version: int = 0
    pending: bool = False


class KnownRun(NamedTuple):
    """A Run that a store keeps something of."""

    uid: str
    namespace: str
    name: str


class Store(Protocol):
    """Keeps one `OperatorState` a Run, keyed by the Run's UID. Every method raises StoreUnavailable where the store fails."""

    @property
    def id(self) -> str:
        """What stands in status.storeID of the Runs that are kept here; known once the store is open."""

    @property
    def detached(self) -> bool:
        """Whether states live outside of their Runs, so that somebody must forget those of Runs that are gone."""

    async def open(self) -> None:
        """Make the store ready and see that it can be written to. May be called again, to see whether it has recovered."""

    async def close(self) -> None:
        """Let go of what the store holds."""

    async def load(self, run: JsonObject, *, live: bool) -> Loaded:
        """Return the saved state of a Run, given as the API server's object. A doubtful state is a refusal, never None.

        What is not `live` may come from memory: enough to see whether anything is due, not to act on.
        """

    async def commit(
        self, run: JsonObject, before: Loaded, state: OperatorState | None, status: JsonObject
    ) -> tuple[JsonObject, Loaded]:
        """Save the state (None: leave it as it is) and the status over what was read; return both as written.

        `before` is what `load` or the last `commit` gave for this version of `run`. Raises Conflict where the Run or its state
        has changed since, NotFound where the Run is gone.
        """

    async def take(self, run: JsonObject, state: OperatorState | None) -> JsonObject:
        """Take over a Run from another store: keep its state, then write this store's ID to the Run by compare-and-swap.

        Until that write the other store counts; what a former try left here is overwritten.
        """

    async def release(self, run: JsonObject) -> None:
        """Remove what is left on a Run of its time here, once another store has taken it."""

    async def forget(self, run: KnownRun) -> None:
        """Delete what is kept of a Run that is gone, under this UID, namespace and name; nothing where it went with the Run."""

    async def known(self) -> frozenset[KnownRun]:
        """Return the Runs that something is kept of outside of the Runs themselves."""

    async def mark_migrated(self, to: str) -> None:
        """Have this store refuse to open from now on: its Runs were moved to another. Empty takes the mark away."""
