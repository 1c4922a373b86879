"""The halts in force, and the turns in which Runs start again after a halt was lifted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from controller.api.base import JsonObject
from controller.api.names import RunKey
from controller.api.operator_state import OperatorState
from controller.api.run import DesiredState
from controller.cache.object_store import Entry, ObjectStore
from controller.facts.halts import halt_facts, unreadable_halt
from controller.plan.snapshot import HaltFacts, RunFacts

AGENTS_PER_SECOND = 10
"""Agents that one operator lets start in a second after a halt was lifted."""

CLUSTER = ""
"""The place of the ClusterHalt in the index by namespace."""


class Halts:
    """The halts in force. `changed` is called with the namespace in which a halt began, changed or ended; None stands for all."""

    def __init__(
        self, changed: Callable[[str | None], None], unreadable: Callable[[JsonObject, str], None] = lambda *_: None
    ) -> None:
        self._changed = changed
        self.namespaced = ObjectStore(_make, unreadable_halt, self._see, unreadable)
        self.cluster = ObjectStore(_make, unreadable_halt, self._see, unreadable)
        self._in_force: dict[str, dict[str, HaltFacts]] = {}
        self._turns = Turns()

    def of(self, namespace: str) -> HaltFacts | None:
        """Return the halt in force in a namespace; the cluster's comes first."""
        for place in (CLUSTER, namespace):
            if found := self._in_force.get(place):
                return next(iter(found.values()))
        return None

    def turn_of(self, run: RunFacts, state: OperatorState | None, now: datetime, *, halted: bool = False) -> datetime | None:
        """Return when a Run that was halted may start again; None for one that is halted, was not, or is not to start."""
        wants = run.spec is not None and run.spec.desired_state is DesiredState.RUNNING
        lifted = not (halted or self.of(run.namespace))
        if run.spec and wants and state and state.halted_at and not state.stop and lifted:
            return self._turns.of(run.uid, len(run.spec.agents), now)
        self.forget(run.uid)
        return None

    def forget(self, uid: str) -> None:
        """Forget the turn of a Run that has started again, is halted again, or is gone."""
        self._turns.forget(uid)

    def count(self, *, cluster: bool) -> int:
        """Return how many halts are in force: of the cluster, or of namespaces."""
        return len((self.cluster if cluster else self.namespaced).items)

    def oldest_age(self, now: datetime, *, cluster: bool) -> float:
        """Return for how many seconds the oldest halt has been in force, of the cluster or of namespaces; 0 without one."""
        found = (entry.value.since for entry in (self.cluster if cluster else self.namespaced).items.values())
        return max(((now - since).total_seconds() for since in found if since), default=0.0)

    def _see(self, uid: str, old: Entry[HaltFacts] | None, new: Entry[HaltFacts] | None, _: RunKey | None) -> None:
        namespace = entry.namespace if (entry := new or old) else CLUSTER
        found = self._in_force.setdefault(namespace, {})
        found.pop(uid, None)
        if new:
            found[uid] = new.value
        if not found:
            del self._in_force[namespace]
        if old is None or new is None or old.value != new.value:
            self._changed(namespace or None)


def _make(obj: JsonObject, _: HaltFacts | None) -> HaltFacts:
    return halt_facts(obj)


class Turns:
    """Spreads the starts after a halt: each Run gets a time, at most `AGENTS_PER_SECOND` agents a second, in order of its request.

    The work queue serves namespaces in turn, so their Runs request in turn, too. The times are kept in this process only: an
    operator that takes over spreads the Runs that are left anew.
    """

    def __init__(self) -> None:
        self._at: dict[str, datetime] = {}
        self._free: datetime | None = None

    def of(self, uid: str, agents: int, now: datetime) -> datetime:
        """Return when a Run with so many agents may start again; the same time at each call until `forget`."""
        if uid not in self._at:
            self._at[uid] = start = max(now, self._free or now)
            self._free = start + timedelta(seconds=agents / AGENTS_PER_SECOND)
        return self._at[uid]

    def forget(self, uid: str) -> None:
        """Forget a Run."""
        self._at.pop(uid, None)
