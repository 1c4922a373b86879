"""The observations and actions of one reconcile so far."""

from __future__ import annotations

from dataclasses import dataclass, field

from controller.api.base import JsonObject
from controller.api.names import RunKey
from controller.ledger.situations import Situation
from controller.plan import Action, Snapshot
from controller.plan.intents import Charge
from controller.plan.steps import Act, Next, starts_pod
from controller.reconcile.observer import Observation
from controller.store import Loaded


@dataclass(slots=True)
class Work:
    """One reconcile of one Run.

    The Run is `proven` once it was read live or a save over it succeeded, and `proven_to_start` once that happened after its pods
    were seen. The state is `dirty` while a change to it is not saved. `reserved` are the charges of attempts before their save.
    """

    key: RunKey
    first: Situation
    run: JsonObject
    snapshot: Snapshot
    loaded: Loaded
    proven: bool
    dirty: bool
    proven_to_start: bool = False
    acted: list[Action] = field(default_factory=list)
    reserved: list[Charge] = field(default_factory=list)

    @classmethod
    def on(cls, seen: Observation, first: Situation, *, proven: bool) -> Work:
        """Return the work that begins with an observation and its plan. A state that is not in the status yet is dirty."""
        snapshot, loaded = seen.snapshot, seen.loaded
        return cls(snapshot.run.key, first, seen.run, snapshot, loaded, proven, dirty=loaded.pending)

    def observed_again(self, seen: Observation) -> None:
        """Go on from a live observation."""
        self.run, self.snapshot, self.loaded = seen.run, seen.snapshot, seen.loaded
        self.dirty, self.proven, self.proven_to_start = seen.loaded.pending, True, False

    def confirmed(self) -> None:
        """Go on with a Run that is still as it was seen, or that was just saved."""
        self.proven = self.proven_to_start = True

    def allows(self, step: Next) -> bool:
        """Return whether the Run is proven as far as a step needs it."""
        proven = self.proven_to_start if starts_pod(step) else self.proven
        return proven or not isinstance(step, Act)

    @property
    def adopting(self) -> bool:
        """Whether the state names a started pod that no saved state names (or has other unsaved changes)."""
        return self.snapshot.state is not self.loaded.state and self.snapshot.state != self.loaded.state

    @property
    def status_before(self) -> JsonObject:
        """The stored status, empty if there is none."""
        status: JsonObject = self.run.get("status", {})
        return status
