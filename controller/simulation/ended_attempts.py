"""Attempts that have ended, as a ledger shows them: for how long they worked, how they ended, and what they used."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from controller.api.escalation import EscalationType
from controller.plan.snapshot import PodFacts, ReportFacts
from controller.simulation.history import Asked, RunHistory
from controller.simulation.scenario import EXIT_TEMPORARY

SILENT = 60
"""Seconds of silence in an agent's last report from which on it hung; less is the pause between two reports."""
CRASHED, HUNG, LOOPED, DRAINED, LIMITED, OTHER = "crashed", "hung", "looped", "drained", "limited", "other"


@dataclass(slots=True)
class Attempt:
    """An attempt that has ended: its work and the time in which it used tokens, in seconds, how it ended, and what it used."""

    pod: PodFacts
    began: datetime
    ended: datetime
    starting: float
    running: float
    work: float
    spending: float
    ending: str
    progress: int
    tokens: int
    cost: int

    @property
    def key(self) -> tuple[str, int]:
        """Return the agent and the number of the attempt."""
        return self.pod.agent, self.pod.attempt


def ended_attempt(run: RunHistory, pod: PodFacts) -> Attempt | None:
    """Return an attempt that has run, until its end or until it was last seen; None for one that has not started."""
    ended = pod.termination.finished_at if pod.termination is not None else run.seen
    began = _began(pod)
    if began is None or ended is None:
        return None
    running = max(0.0, (ended - began).total_seconds())
    ending, report = _ending(run, pod), last_report(run, pod)
    lost = 0.0
    if ending in (HUNG, LOOPED) and report is not None:
        since = report.active_at if ending == HUNG else report.progress_at or report.active_at
        lost = max(0.0, (ended - since).total_seconds())
    waiting = math.fsum(_waited(asked, ended) for asked in run.asked.values() if _of(asked, pod))
    usage = report.usage if report is not None else None
    return Attempt(
        pod=pod,
        began=began,
        ended=ended,
        starting=(began - pod.created_at).total_seconds() if pod.created_at else 0.0,
        running=running,
        work=max(0.0, running - lost - waiting),
        spending=max(0.0, running - waiting - (lost if ending == HUNG else 0.0)),
        ending=ending,
        progress=report.progress_events if report is not None else 0,
        tokens=usage.input_tokens + usage.output_tokens if usage is not None else 0,
        cost=usage.cost_micro_usd if usage is not None else 0,
    )


def last_report(run: RunHistory, pod: PodFacts) -> ReportFacts | None:
    """Return the last report about an attempt: the one in the pod's termination message, or the newest one in the API."""
    return pod.last_report or run.reported.get((pod.agent, pod.attempt))


def _began(pod: PodFacts) -> datetime | None:
    """Return when the agent started. A container that has ended has that in its termination only."""
    return pod.started_at or (pod.termination.started_at if pod.termination is not None else None)


def _ending(run: RunHistory, pod: PodFacts) -> str:
    code, report = pod.termination.exit_code if pod.termination is not None else 0, last_report(run, pod)
    if pod.disrupted_at is not None:
        return DRAINED
    if pod.ending_since is not None or pod.termination is None:
        silent = report is not None and (report.reported_at - report.active_at).total_seconds() >= SILENT
        return OTHER if (pod.agent, pod.attempt) not in run.stuck else HUNG if silent else LOOPED
    if code == EXIT_TEMPORARY:
        return LIMITED
    return CRASHED if code else OTHER


def _of(asked: Asked, pod: PodFacts) -> bool:
    return asked.kind is EscalationType.QUESTION and (asked.agent, asked.attempt) == (pod.agent, pod.attempt)


def _waited(asked: Asked, ended: datetime) -> float:
    """Return how long an agent waited for an answer while its process ran."""
    if asked.opened is None:
        return 0.0
    return max(0.0, (min(asked.answered or ended, ended) - asked.opened).total_seconds())
