"""Which Runs may be active where a policy limits them (maxActiveRuns): the oldest first, each once its turn has come.

A Run is active from its first start to its end, pauses left out. What was let through and has not started yet counts too, so
that two workers never give one slot away twice. Runs stand in lines as their changes are seen, so that neither a look at one Run
nor the end of one walks all the others.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from controller.api.base import JsonObject
from controller.api.policy import DEFAULT_POLICY_NAME
from controller.api.run import DesiredState
from controller.api.run_status import Phase
from controller.plan.snapshot import RunFacts

OVER = frozenset({Phase.COMPLETED, Phase.FAILED, Phase.STOPPED, Phase.PAUSED})
"""Phases in which a Run needs no slot."""


Age = tuple[str, str]
"""What the older Run is smaller by: when it was created, and its UID."""


class Group(NamedTuple):
    """Runs of a namespace that name the same policy; an empty name is none."""

    namespace: str
    policy: str


class QueuedRun(NamedTuple):
    """A Run as far as its slot is concerned."""

    obj: JsonObject
    facts: RunFacts

    @property
    def uid(self) -> str:
        """The Run's UID."""
        return self.facts.uid

    @property
    def group(self) -> Group:
        """The Runs that it stands in line with."""
        ref = self.facts.spec.policy_ref if self.facts.spec else None
        return Group(self.facts.namespace, ref.name if ref else "")

    @property
    def active(self) -> bool:
        """Whether the Run has started and needs its slot."""
        status = self.obj.get("status", {})
        return "startTime" in status and status.get("phase") not in OVER and not self.facts.gone

    @property
    def wants(self) -> bool:
        """Whether the Run would start or resume if it were let."""
        over = self.obj.get("status", {}).get("phase") in OVER - {Phase.PAUSED}
        spec = self.facts.spec
        running = spec is not None and not self.facts.violations and spec.desired_state is DesiredState.RUNNING
        return running and not (over or self.active or self.facts.gone)

    @property
    def age(self) -> Age:
        """What the older Run is smaller by."""
        return self.obj["metadata"].get("creationTimestamp", ""), self.uid


NOTHING, WANTS, HAS = range(3)
"""What a Run has in its line: nothing, a place in it, or a slot."""


@dataclass(slots=True)
class _Group:
    """A group's Runs that have a slot, those that want one, and those of them that were told to wait; the oldest first."""

    taken: set[str] = field(default_factory=set)
    wanting: list[Age] = field(default_factory=list)
    waiting: list[Age] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Whether nobody stands in it."""
        return not (self.taken or self.wanting or self.waiting)

    def leave(self, age: Age) -> int:
        """Take a Run out; return what it gives up."""
        _take_out(self.waiting, age)
        had = HAS if age[1] in self.taken else WANTS if _take_out(self.wanting, age) else NOTHING
        self.taken.discard(age[1])
        return had


class ActiveRunLimiter:
    """Gives out the slots of every policy that has a limit. `exists` tells whether a namespace has a RunPolicy of a name."""

    def __init__(self, exists: Callable[[str, str], bool]) -> None:
        self._exists = exists
        self._lines: dict[Group, _Group] = defaultdict(_Group)
        self._places: dict[str, tuple[Group, Age]] = {}
        self._reserved: set[str] = set()

    def see(self, run: QueuedRun) -> str | None:
        """Take in how a Run stands; return the UID of the Run whose turn it may be now that this one has given up its place."""
        if run.active or not run.wants:
            self._reserved.discard(run.uid)
        line = self._lines.get(run.group)
        waited = line is not None and _stands_in(line.waiting, run.age)
        left, had = self._leave(run.uid)
        has = self._place(run)
        if waited and has == WANTS:
            insort(self._lines[run.group].waiting, run.age)
        return self._next(left) if left and (has < had or left != run.group) else None

    def forget(self, uid: str) -> str | None:
        """Take out a Run that is gone; return whose turn it may be."""
        self._reserved.discard(uid)
        left, had = self._leave(uid)
        return self._next(left) if left and had else None

    def release_reservation(self, uid: str, run: QueuedRun | None) -> None:
        """Take back what a Run was promised or told to wait for; it stands where it stands by itself."""
        self._reserved.discard(uid)
        self._leave(uid)
        if run:
            self._place(run)

    def must_wait(self, run: QueuedRun, limit: int | None) -> bool:
        """Return whether a Run, as it was read just now, has to wait for others of its policy."""
        if line := self._lines.get(run.group):
            _take_out(line.waiting, run.age)
        if run.active or not run.wants or limit is None or run.uid in self._reserved:
            return False
        lines = list(self._same_policy(run.group))
        taken = sum(len(each.taken) + bisect_left(each.wanting, run.age) for each in lines)
        if taken + self._taken_under_no_policy(run.group) < limit:
            self._reserved.add(run.uid)
            self._leave(run.uid)
            self._place(run)
            return False
        insort(self._lines[run.group].waiting, run.age)
        return True

    def waiting(self) -> Iterator[str]:
        """The UIDs of all Runs that were told to wait: to be looked at again when policies change."""
        return iter([uid for line in self._lines.values() for _, uid in line.waiting])

    @property
    def groups(self) -> int:
        """How many groups of Runs have a line: namespaces come and go, and leave none."""
        return len(self._lines)

    def _place(self, run: QueuedRun) -> int:
        """Put a Run where it belongs; return what it has there."""
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
        """Take the oldest Run that waits for this group's policy; it is in hand now."""
        lines = [line for line in self._same_policy(group) if line.waiting]
        return min(lines, key=lambda line: line.waiting[0]).waiting.pop(0)[1] if lines else None

    def _same_policy(self, group: Group) -> Iterator[_Group]:
        """The lines of all who go by the policy of this group: a namespace's, or where that has no default, the operator's own."""
        if self._under_no_policy(group):
            return (line for other, line in self._lines.items() if self._may_count(other, group))
        if self._own(group):
            return (line for other, line in self._lines.items() if self._own(other))
        named = {group, Group(group.namespace, DEFAULT_POLICY_NAME)} if not group.policy else {group}
        if group.policy == DEFAULT_POLICY_NAME:
            named.add(Group(group.namespace, ""))
        return (self._lines[each] for each in named if each in self._lines)

    def _under_no_policy(self, group: Group) -> bool:
        """Whether these Runs name a policy that does not exist, whose end may make room under any that might have been theirs."""
        return bool(group.policy) and not self._exists(group.namespace, group.policy)

    def _taken_under_no_policy(self, group: Group) -> int:
        """The Runs that went on when their policy was gone, or was named no more: no limit is escaped by that."""
        lines = self._lines.items()
        return sum(len(line.taken) for other, line in lines if self._under_no_policy(other) and self._may_count(group, other))

    def _may_count(self, group: Group, stray: Group) -> bool:
        """Whether a policy counts a Run that goes by none: its namespace's do, the operator's own where that has no default."""
        without_default = not self._exists(stray.namespace, DEFAULT_POLICY_NAME)
        return group.namespace == stray.namespace or (self._own(group) and without_default)

    def _own(self, group: Group) -> bool:
        return not group.policy and not self._exists(group.namespace, DEFAULT_POLICY_NAME)


def _stands_in(line: list[Age], age: Age) -> bool:
    at = bisect_left(line, age)
    return at < len(line) and line[at] == age


def _take_out(line: list[Age], age: Age) -> bool:
    """Remove a Run from a sorted line; return whether it stood there."""
    there = _stands_in(line, age)
    if there:
        del line[bisect_left(line, age)]
    return there
