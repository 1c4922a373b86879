"""Admission of Runs where a policy limits how many are active (maxActiveRuns): the oldest Run first.

A Run is active from its first start to its end, without its pauses. An admitted Run that has not started yet holds a reservation,
so two workers never give one slot away twice. Each policy keeps sorted queues that are updated on every watch event: admitting a
Run, or finishing one, walks no other Runs.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from controller.api.base import JsonObject
from controller.api.phases import Phase
from controller.api.policy import DEFAULT_POLICY_NAME
from controller.api.run import DesiredState
from controller.plan.snapshot import RunFacts

OVER = frozenset({Phase.COMPLETED, Phase.FAILED, Phase.STOPPED, Phase.PAUSED, Phase.HALTED})
"""Phases in which a Run needs no slot."""


Age = tuple[str, str]
"""Creation time and UID: the order of Runs, the oldest first."""


class Group(NamedTuple):
    """Runs of a namespace that name the same policy; an empty name stands for no policyRef."""

    namespace: str
    policy: str


class QueuedRun(NamedTuple):
    """A Run with the properties that decide about its slot."""

    obj: JsonObject
    facts: RunFacts

    @property
    def uid(self) -> str:
        """The Run's UID."""
        return self.facts.uid

    @property
    def group(self) -> Group:
        """The Runs that it queues with."""
        ref = self.facts.spec.policy_ref if self.facts.spec else None
        return Group(self.facts.namespace, ref.name if ref else "")

    @property
    def active(self) -> bool:
        """Whether the Run has started and needs its slot."""
        status = self.obj.get("status", {})
        return "startTime" in status and status.get("phase") not in OVER and not self.facts.gone

    @property
    def wants(self) -> bool:
        """Whether the Run would start or resume if it were admitted."""
        over = self.obj.get("status", {}).get("phase") in OVER - {Phase.PAUSED, Phase.HALTED}
        return is_to_run(self.facts) and not (over or self.active or self.facts.gone)

    @property
    def age(self) -> Age:
        """The Run's place in the order: the older Run sorts first."""
        return self.obj["metadata"].get("creationTimestamp", ""), self.uid


def is_to_run(facts: RunFacts) -> bool:
    """Whether a Run's spec can be used, and asks for it to run."""
    return facts.spec is not None and not facts.violations and facts.spec.desired_state is DesiredState.RUNNING


NOTHING, WANTS, HAS = range(3)
"""A Run's standing in its group: nothing, a place in the queue, or a slot."""


@dataclass(slots=True)
class _Group:
    """A group's Runs with a slot, those that want one, and those of them whose reconcile was made to wait; the oldest first."""

    taken: set[str] = field(default_factory=set)
    wanting: list[Age] = field(default_factory=list)
    waiting: list[Age] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Whether it holds no Run."""
        return not (self.taken or self.wanting or self.waiting)

    def leave(self, age: Age) -> int:
        """Remove a Run; return its former standing."""
        _take_out(self.waiting, age)
        had = HAS if age[1] in self.taken else WANTS if _take_out(self.wanting, age) else NOTHING
        self.taken.discard(age[1])
        return had


class ActiveRunLimiter:
    """Admits Runs under every policy that has a limit. `exists` returns whether a namespace has a RunPolicy of a name.

    Runs of a `halted` namespace have no place in the order: others do not wait for them.
    """

    def __init__(self, exists: Callable[[str, str], bool], halted: Callable[[str], bool] = lambda _: False) -> None:
        self._exists, self._halted = exists, halted
        self._lines: dict[Group, _Group] = defaultdict(_Group)
        self._places: dict[str, tuple[Group, Age]] = {}
        self._reserved: set[str] = set()

    def see(self, run: QueuedRun) -> str | None:
        """Update a Run; return the UID of the Run that may be next if this one has given up its place."""
        if run.active or not run.wants or self._halted(run.group.namespace):
            self._reserved.discard(run.uid)
        line = self._lines.get(run.group)
        waited = line is not None and _stands_in(line.waiting, run.age)
        left, had = self._leave(run.uid)
        has = self._place(run)
        if waited and has == WANTS:
            insort(self._lines[run.group].waiting, run.age)
        return self._next(left) if left and (has < had or left != run.group) else None

    def forget(self, uid: str) -> str | None:
        """Remove a Run that is gone; return the UID of the Run that may be next."""
        self._reserved.discard(uid)
        left, had = self._leave(uid)
        return self._next(left) if left and had else None

    def release_reservation(self, uid: str, run: QueuedRun | None) -> None:
        """Cancel a Run's reservation or its wait; its standing follows from its status alone again."""
        self._reserved.discard(uid)
        self._leave(uid)
        if run:
            self._place(run)

    def must_wait(self, run: QueuedRun, limit: int | None) -> bool:
        """Return whether a Run has to wait for others of its policy.

        If not, a slot is reserved for it until its status shows that it started.
        """
        if line := self._lines.get(run.group):
            _take_out(line.waiting, run.age)
        if run.active or not run.wants or limit is None or run.uid in self._reserved or self._halted(run.group.namespace):
            return False
        taken = sum(len(each.taken) for each in self._same_policy(run.group))
        taken += sum(bisect_left(each.wanting, run.age) for each in self._unhalted(run.group))
        if taken + self._taken_under_no_policy(run.group) < limit:
            self.reserve(run)
            return False
        insort(self._lines[run.group].waiting, run.age)
        return True

    def reserve(self, run: QueuedRun) -> None:
        """Reserve a slot for a Run that wants one: it is admitted, or has a started pod that its status does not show yet."""
        if run.active or not run.wants or run.uid in self._reserved:
            return
        self._reserved.add(run.uid)
        self._leave(run.uid)
        self._place(run)

    def waiting(self) -> Iterator[str]:
        """The UIDs of all waiting Runs, which are reconciled again when policies change."""
        return iter([uid for line in self._lines.values() for _, uid in line.waiting])

    @property
    def groups(self) -> int:
        """The number of groups with Runs: namespaces come and go, and must leave none behind."""
        return len(self._lines)

    def _place(self, run: QueuedRun) -> int:
        """Add a Run to its group; return its standing."""
        has = HAS if run.active or run.uid in self._reserved else WANTS if run.wants else NOTHING
        if has == HAS:
            self._lines[run.group].taken.add(run.uid)
        elif has == WANTS:
            insort(self._lines[run.group].wanting, run.age)
        if has:
            self._places[run.uid] = run.group, run.age
        return has

    def _leave(self, uid: str) -> tuple[Group | None, int]:
        group, age = self._places.pop(uid, (None, ("", "")))
        had = self._lines[group].leave(age) if group else NOTHING
        if group and self._lines[group].empty:
            del self._lines[group]
        return group, had

    def _next(self, group: Group) -> str | None:
        """Remove and return the oldest Run that waits for this group's policy; the caller queues it."""
        lines = [line for line in self._unhalted(group) if line.waiting]
        return min(lines, key=lambda line: line.waiting[0]).waiting.pop(0)[1] if lines else None

    def _same_policy(self, group: Group) -> Iterator[_Group]:
        """The groups under the same policy as this one: a namespace's, or the operator's own if the namespace has no default."""
        if self._under_no_policy(group):
            return (line for other, line in self._lines.items() if self._may_count(other, group))
        if self._own(group):
            return (line for other, line in self._lines.items() if self._own(other))
        named = {group, Group(group.namespace, DEFAULT_POLICY_NAME)} if not group.policy else {group}
        if group.policy == DEFAULT_POLICY_NAME:
            named.add(Group(group.namespace, ""))
        return (self._lines[each] for each in named if each in self._lines)

    def _unhalted(self, group: Group) -> Iterator[_Group]:
        """The groups under the same policy whose Runs may start."""
        held = [line for other, line in self._lines.items() if self._halted(other.namespace)]
        return (line for line in self._same_policy(group) if not any(line is other for other in held))

    def _under_no_policy(self, group: Group) -> bool:
        """Whether these Runs name a policy that does not exist. The end of one may free a slot of any policy that may count it."""
        return bool(group.policy) and not self._exists(group.namespace, group.policy)

    def _taken_under_no_policy(self, group: Group) -> int:
        """Count active Runs whose policy was deleted or lost its reference: deleting a policy must not evade its limit."""
        lines = self._lines.items()
        return sum(len(line.taken) for other, line in lines if self._under_no_policy(other) and self._may_count(group, other))

    def _may_count(self, group: Group, stray: Group) -> bool:
        """Whether a policy counts a Run without one: those of its namespace do, and without a default the operator's own."""
        without_default = not self._exists(stray.namespace, DEFAULT_POLICY_NAME)
        return group.namespace == stray.namespace or (self._own(group) and without_default)

    def _own(self, group: Group) -> bool:
        return not group.policy and not self._exists(group.namespace, DEFAULT_POLICY_NAME)


def _stands_in(line: list[Age], age: Age) -> bool:
    at = bisect_left(line, age)
    return at < len(line) and line[at] == age


def _take_out(line: list[Age], age: Age) -> bool:
    """Remove a Run from a sorted queue; return whether it was there."""
    there = _stands_in(line, age)
    if there:
        del line[bisect_left(line, age)]
    return there
