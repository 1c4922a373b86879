"""Where the operator's state of each Run is kept. One authoritative store; every save is a compare-and-swap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from controller.api.base import JsonObject
from controller.api.run_status import OperatorState

STORE_FIELDS = frozenset({"operatorState", "storeID"})
"""The fields of a Run's status that a store writes."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a store knows of a Run: its state, None where nothing was saved yet, or why the state cannot be trusted."""

    state: OperatorState | None = None
    refusal: str = ""


class Store(Protocol):
    """Keeps one `OperatorState` a Run, keyed by the Run's UID."""

    async def load(self, run: JsonObject) -> Loaded:
        """Return the saved state of a Run, given as the API server's object. A doubtful state is a refusal, never None."""

    async def commit(self, run: JsonObject, state: OperatorState | None, status: JsonObject) -> JsonObject:
        """Save the state (None: leave it as it is) and the status over the version of `run`; return the Run as written.

        Raises Conflict where the Run or its state has changed since `run` was read, NotFound where the Run is gone.
        """
