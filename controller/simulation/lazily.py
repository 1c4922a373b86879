"""Finds the next moment at which time or a report leads to an action, without a plan for each report.

Between two events of the world only time passes, and reports arrive that differ in their times. While an agent behaves alike, its
silence and its time without progress only grow, and so does time: what one report shows, a later one shows too, or more. So the
last report before a change of behaviour decides for those before it, and a search finds the first one that changes something. A
behaviour that has lasted for less than another that led to nothing needs no plan at all. `tests/unit/simulation/test_lazily.py`
compares this with a plan for each report.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from controller.plan.model import Plan
from controller.plan.reasons import Reason
from controller.simulation.agent_life import Life
from controller.simulation.cluster import Cluster
from controller.simulation.passes import Passes
from controller.simulation.record import Stage
from controller.simulation.simulated_reporter import SimulatedReporter
from controller.simulation.virtual_time import NEVER


@dataclass(slots=True)
class Tolerated:
    """The longest times without activity and without progress that led to nothing, in one situation."""

    idle: int = 0
    unprogressive: int = 0

    def covers(self, idle: int, unprogressive: int) -> bool:
        """Whether neither time is longer."""
        return idle <= self.idle and unprogressive <= self.unprogressive

    def widen(self, idle: int, unprogressive: int) -> None:
        """Record times that led to nothing. Of an agent that has never reported progress, nothing follows for one that has."""
        self.idle = max(self.idle, idle)
        self.unprogressive = self.unprogressive if unprogressive == NEVER else max(self.unprogressive, unprogressive)


class Watch:
    """Lets time pass until the next pass of the operator. `lazy` is False to plan for each report."""

    def __init__(self, cluster: Cluster, passes: Passes, *, lazy: bool) -> None:
        self._cluster, self._passes, self._lazy = cluster, passes, lazy
        self._tolerated = Tolerated()
        self._situation: Plan | None = None

    def until(self, time: int) -> bool:
        """Make the next pass that is due before a time; return False if none is, with all reports until then delivered."""
        life = self._cluster.life
        reporter = life.reporter if life and life.running else None
        arrivals = reporter.arrivals(self._cluster.now, time) if reporter else []
        if not arrivals or life is None or reporter is None:
            return self._check_before(time)
        if reporter.has_news or not self._lazy or self._passes.check <= arrivals[0]:
            return self._reach(reporter, arrivals[0])
        return self._search(life, reporter, arrivals) or self._check_before(time)

    def _check_before(self, time: int) -> bool:
        if self._passes.check >= time:
            return False
        self._cluster.advance(self._passes.check)
        self._passes.reconcile()
        return True

    def _reach(self, reporter: SimulatedReporter, arrival: int) -> bool:
        """Make the pass for a report, or one that is due before it arrives."""
        if self._passes.check <= arrival:
            return self._check_before(arrival + 1)
        self._deliver(reporter, arrival)
        self._passes.reconcile()
        return True

    def _deliver(self, reporter: SimulatedReporter, arrival: int) -> None:
        self._cluster.advance(arrival)
        former = self._cluster.report
        self._cluster.report = reporter.facts(arrival, former.deliveries if former else ())
        reporter.has_news = False

    def _search(self, life: Life, reporter: SimulatedReporter, arrivals: list[int]) -> bool:
        """Make the pass at the first report that changes something; deliver all of them and return False if none does."""
        if self._situation is not self._passes.accepted:
            self._tolerated, self._situation = Tolerated(), self._passes.accepted
        known = -1
        for index, idle, unprogressive in self._candidates(life, arrivals):
            decision = self._plan_at(reporter, arrivals[index])
            if self._changes(decision):
                return self._reach_first(reporter, arrivals, known, index)
            if is_calm(decision):
                self._tolerated.widen(idle, unprogressive)
            known = index
        self._deliver(reporter, arrivals[-1])
        self._passes.accept(decision)
        self._situation = self._passes.accepted
        return False

    def _candidates(self, life: Life, arrivals: list[int]) -> Iterator[tuple[int, int, int]]:
        """Yield the reports that need a plan, with their times without activity and progress.

        Those are the last one of each behaviour that has lasted for longer than any before, and the last one of all. While
        something is waited for, the first one of a behaviour may end that, so each first and last one needs a plan.
        """
        calm = self._passes.accepted is not None and is_calm(self._passes.accepted)
        place, before = None, None
        for index, at in enumerate(arrivals):
            found, ages = _place(life, at), (index, *_ages(life, at))
            if found != place:
                if before and not (calm and self._tolerated.covers(*before[1:])):
                    yield before
                if not calm:
                    yield ages
            place, before = found, ages
        if before:
            yield before

    def _reach_first(self, reporter: SimulatedReporter, arrivals: list[int], known: int, due: int) -> bool:
        """Find the first report that changes something, after one that does not; pass at it, or at the check before it."""
        while due - known > 1:
            middle = (known + due) // 2
            if self._changes(self._plan_at(reporter, arrivals[middle])):
                due = middle
            else:
                known = middle
        if due > 0:
            decision = self._plan_at(reporter, arrivals[due - 1])
            self._deliver(reporter, arrivals[due - 1])
            self._passes.accept(decision)
        return self._reach(reporter, arrivals[due])

    def _changes(self, decision: Plan) -> bool:
        """Whether a plan has an action, or shows another reason than the one in force: what follows then may be over later."""
        accepted = self._passes.accepted
        return bool(decision.actions) or accepted is None or decision.verdict.reason is not accepted.verdict.reason

    def _plan_at(self, reporter: SimulatedReporter, arrival: int) -> Plan:
        former = self._cluster.report
        return self._passes.plan_with(reporter.facts(arrival, former.deliveries if former else ()), arrival)


def _place(life: Life, time: int) -> tuple[Stage | None, int]:
    """Return what stays the same while an agent behaves alike: its stage, and how often it has made progress."""
    return life.record.stage(time), life.record.progress(time)[0]


def _ages(life: Life, time: int) -> tuple[int, int]:
    """Return how long an agent has been without activity and without progress; NEVER for one that has reported none."""
    active, (_, progress) = life.record.active_at(time), life.record.progress(time)
    return 0 if active is None else time - active, NEVER if progress is None else time - progress


def is_calm(decision: Plan) -> bool:
    """Whether nothing is due and nothing is waited for."""
    return not decision.actions and decision.verdict.reason is Reason.SUPERVISING
