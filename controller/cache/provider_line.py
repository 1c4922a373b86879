"""The agents that name one provider: those at work, those that are admitted and have not started, and those that wait."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from controller.api.names import RunKey
from controller.api.provider import ProviderSpec, ProviderState
from controller.plan.providers import turns
from controller.plan.providers.states import Attempt, Signal
from controller.plan.providers.turns import Claim

ANSWER = timedelta(seconds=30)
"""Time for a Run to start after its turn has come. Then the turn passes to the next: its reconcile fails, or is far behind."""


START = timedelta(minutes=2)
"""Time for an admitted agent to be at work. Then it waits again, behind the others: something else keeps it from starting."""


class ProviderKey(NamedTuple):
    """A provider by namespace and name. Runs may name one that does not exist."""

    namespace: str
    name: str


class Place(NamedTuple):
    """An agent of a Run."""

    run_uid: str
    agent: str


@dataclass(slots=True)
class ProviderLine:
    """The agents of one provider.

    `presumed` wait by their Runs' status, which an earlier process has written; each is looked at soon. `next_start` is when the
    rate allows the next start, None before the first after an opening: a new process begins without credit. `shown` is the state
    and the end of the closing that the waiting Runs were last woken for.
    """

    active: set[Place] = field(default_factory=set)
    admitted: dict[Place, Claim] = field(default_factory=dict)
    waiting: dict[Place, Claim] = field(default_factory=dict)
    presumed: set[Place] = field(default_factory=set)
    signals: dict[Place, Signal] = field(default_factory=dict)
    next_start: datetime | None = None
    shown: tuple[ProviderState | None, datetime | None] = (None, None)
    _served: dict[str, datetime] = field(default_factory=dict)
    _called: dict[Place, datetime] = field(default_factory=dict)
    _admitted_at: dict[Place, datetime] = field(default_factory=dict)
    _order: list[Place] | None = None

    @property
    def taken(self) -> int:
        """How many agents have a place: those at work and those that are about to start."""
        return len(self.active | self.admitted.keys())

    @property
    def waits(self) -> int:
        """How many agents wait."""
        return len(self.waiting.keys() | self.presumed)

    @property
    def empty(self) -> bool:
        """Whether no agent names the provider."""
        return not (self.active or self.admitted or self.waiting or self.presumed or self.signals)

    @property
    def order(self) -> list[Place]:
        """The waiting agents in the order in which they start."""
        if self._order is None:
            claims = turns.in_turn(self.waiting.values())
            self._order = [Place(claim.attempt.run_uid, claim.attempt.agent) for claim in claims]
        return self._order

    def set_active(self, place: Place, *, active: bool) -> bool:
        """Set whether an agent is at work; return whether that has changed."""
        if active == (place in self.active):
            return False
        if active:
            self.active.add(place)
            self.leave(place)
        else:
            self.active.discard(place)
        return True

    def wait(self, place: Place, attempt: Attempt, index: int, created: datetime) -> None:
        """Add an agent that wants to start, and has no place yet."""
        self.presumed.discard(place)
        self.admitted.pop(place, None)
        self._admitted_at.pop(place, None)
        self._called.pop(place, None)
        if place in self.waiting and self.waiting[place].attempt == attempt:
            return
        served = self._served.get(place.run_uid, created)
        self.waiting[place] = Claim(served, index, attempt)
        self._order = None

    def admit(self, place: Place, now: datetime) -> None:
        """Give a waiting agent a place until it is at work. Its Run's next agent comes after the other Runs'."""
        claim = self.waiting[place]
        self.leave(place)
        self.admitted[place], self._admitted_at[place] = claim, now
        self._served[place.run_uid] = now
        for other, claim in self.waiting.items():
            if other.run_uid == place.run_uid:
                self.waiting[other] = claim._replace(served_at=now)
        self._order = None

    def revoke(self) -> None:
        """Let agents wait again that were admitted and have not started."""
        self.waiting |= self.admitted
        self.admitted, self._admitted_at, self._order = {}, {}, None

    def expire(self, now: datetime) -> None:
        """Let agents wait again, behind the others, that were admitted and have not started in time."""
        late = [place for place, since in self._admitted_at.items() if now - since >= START]
        for place in late:
            claim = self.admitted[place]._replace(served_at=now)
            self.leave(place)
            self.waiting[place] = claim

    def leave(self, place: Place) -> bool:
        """Remove an agent that neither waits nor is about to start; return whether it did."""
        had = place in self.waiting or place in self.admitted or place in self.presumed
        self.waiting.pop(place, None)
        self.admitted.pop(place, None)
        self._admitted_at.pop(place, None)
        self.presumed.discard(place)
        self._called.pop(place, None)
        self._order = None if had else self._order
        return had

    def forget(self, run_uid: str) -> bool:
        """Remove a Run that is gone; return whether that may free a place."""
        places = [p for p in (*self.active, *self.admitted, *self.waiting, *self.presumed, *self.signals) if p.run_uid == run_uid]
        for place in places:
            self.leave(place)
            self.active.discard(place)
            self.signals.pop(place, None)
        self._served.pop(run_uid, None)
        return bool(places)

    def call(self, spec: ProviderSpec, state: ProviderState | None, now: datetime) -> list[Place]:
        """Return the agents whose turn has come and that were not called yet. One that did not answer in time goes to the end."""
        places = self.order[: self._starts(spec, state, now)]
        late = [place for place in places if place in self._called and now - self._called[place] >= ANSWER]
        for place in late:
            del self._called[place]
            self.waiting[place] = self.waiting[place]._replace(served_at=now)
            self._order = None
        if late:
            return self.call(spec, state, now)
        fresh = [place for place in places if place not in self._called]
        self._called |= dict.fromkeys(fresh, now)
        return fresh

    def _starts(self, spec: ProviderSpec, state: ProviderState | None, now: datetime) -> int:
        """Return how many agents may start now."""
        spaces = turns.free(spec, self.taken)
        most = len(self.waiting) if spaces is None else spaces
        match state:
            case ProviderState.OPEN:
                return most
            case ProviderState.REOPENING:
                return min(most, 1) if self.next_start and now >= self.next_start else 0
            case _:
                return 0

    def first(self, spec: ProviderSpec) -> Attempt | None:
        """Return the attempt that may start next; None if nothing waits or all places are taken."""
        if not self.waiting or turns.free(spec, self.taken) == 0:
            return None
        return self.waiting[self.order[0]].attempt

    def due_at(self) -> datetime | None:
        """Return when a turn passes to the next at the latest."""
        called = [moment + ANSWER for moment in self._called.values()]
        return min([*called, *(moment + START for moment in self._admitted_at.values())], default=None)


def run_of(key: ProviderKey, attempt: Attempt) -> RunKey:
    """Return the Run of an attempt."""
    return RunKey(key.namespace, attempt.run, attempt.run_uid)
