"""The targets of the benchmark, and whether they are met. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.bench.figures import Round, Spread, ratio, spread

OURS, JOB, NAIVE = "runwatchman-status", "job", "naive"


@dataclass(frozen=True, slots=True)
class Target:
    """A figure with a maximum. Writes are counted, so the worst round counts; times are judged by the median."""

    claim: str
    limit: float
    found: Callable[[Sequence[Round]], Spread | None]
    worst: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """The measured value of a target; None if it was not measured."""

    claim: str
    limit: float
    found: float | None

    @property
    def met(self) -> bool | None:
        """Whether the target is met."""
        return None if self.found is None else self.found <= self.limit


def _counted(claim: str, limit: float, metric: str) -> Target:
    return Target(claim, limit, lambda rounds: spread(rounds, OURS, metric), worst=True)


def _compared(claim: str, limit: float, metric: str, name: str, reference: str) -> Target:
    return Target(claim, limit, lambda rounds: ratio(rounds, name, reference, metric))


HEALTHY = (
    _counted("writes per healthy Run, applied to Completed", 3, "writes"),
    _counted("Events per healthy Run", 1, "events"),
    _counted("writes when its pod is deleted", 1, "tidying"),
    _counted("writes when idle", 0, "idle_writes"),
    _compared("wall, of the Job controller's", 0.95, "wall", OURS, JOB),
    _compared("API server's CPU per Run, of the Job controller's", 0.97, "server_cpu", OURS, JOB),
    _compared("CPU per Run, of the Job controller's", 1.2, "cpu", OURS, JOB),
    _compared("CPU per Run, of the naive operator's", 0.25, "cpu", OURS, NAIVE),
    _compared("wall with annotations, of that with status", 1.2, "wall", "runwatchman-annotations", OURS),
    _compared("wall with SQLite, of that with status", 1.2, "wall", "runwatchman-sqlite", OURS),
)
FAILING = (
    _compared("wall, of the Job controller's", 0.5, "wall", OURS, JOB),
    _compared("CPU per Run, of the Job controller's", 1.3, "cpu", OURS, JOB),
)
"""Targets for objects whose pods fail once."""


def verdicts(rounds: Sequence[Round], *, failing: bool = False) -> list[Verdict]:
    """Judge the rounds of one series."""
    return [_judge(target, target.found(rounds)) for target in (FAILING if failing else HEALTHY)]


def _judge(target: Target, found: Spread | None) -> Verdict:
    figure = None if found is None else found.most if target.worst else found.median
    return Verdict(target.claim, target.limit, figure)
