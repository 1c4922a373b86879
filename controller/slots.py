"""Which Runs may be active where a policy limits them (maxActiveRuns): the oldest first, each once its turn has come.

A Run is active from its first start to its end, pauses left out. What was let through and has not started yet counts too, so
that two workers never give one slot away twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from controller.api.base import JsonObject
from controller.api.run import DesiredState
from controller.api.run_status import Phase
from controller.plan.snapshot import RunFacts

OVER = frozenset({Phase.COMPLETED, Phase.FAILED, Phase.STOPPED, Phase.PAUSED})
"""Phases in which a Run needs no slot."""


class PolicyKey(NamedTuple):
    """Tells one policy from another: a RunPolicy by its namespace, the operator's own by an empty one."""

    namespace: str
    name: str


class Candidate(NamedTuple):
    """A Run as far as its slot is concerned."""

    obj: JsonObject
    facts: RunFacts

    @property
    def uid(self) -> str:
        """The Run's UID."""
        return self.facts.uid

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
    def age(self) -> tuple[str, str]:
        """What the older Run is smaller by."""
        return self.obj["metadata"].get("creationTimestamp", ""), self.uid


class Slots:
    """Gives out the slots of every policy that has a limit."""

    def __init__(self) -> None:
        self._promised: set[str] = set()
        self._waiting: set[str] = set()

    def must_wait(self, run: Candidate, limit: int | None, others: Callable[[], Iterable[Candidate]]) -> bool:
        """Return whether a Run has to wait. `others` gives all Runs of its policy; it is asked only where there is a limit."""
        self._waiting.discard(run.uid)
        if run.active or not run.wants:
            self._promised.discard(run.uid)
            return False
        if limit is None or run.uid in self._promised:
            return False
        if self._turn(run, limit, list(others())):
            self._promised.add(run.uid)
            return False
        self._waiting.add(run.uid)
        return True

    def forget(self, uid: str) -> None:
        """Take back what a Run was given that is gone."""
        self._promised.discard(uid)
        self._waiting.discard(uid)

    def waiting(self) -> Iterator[str]:
        """The UIDs of the Runs that were told to wait: to be looked at again when a slot may be free."""
        return iter(tuple(self._waiting))

    def _turn(self, run: Candidate, limit: int, runs: list[Candidate]) -> bool:
        taken = sum(other.active or other.uid in self._promised for other in runs)
        older = sum(other.wants and other.uid not in self._promised and other.age < run.age for other in runs)
        return taken + older < limit
