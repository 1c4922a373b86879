"""Detects stalls from reports. Only a report that was made after a threshold proves a stall.

Time alone never turns an old report into evidence, so a jump of a clock does not either.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from controller.api.policy import RunPolicySpec, SilentAgents
from controller.api.run import Agent
from controller.api.timestamps import later
from controller.plan.context import PlanContext
from controller.plan.snapshot import EscalationFacts, PodFacts, ReportFacts

SILENT_INTERVALS = 3
"""Intervals without a report after which a reporter counts as silent: two reports may be lost."""

DEFAULT_INTERVAL_SECONDS = 60
"""Report interval of a reporter that has not reported yet."""


def confirmed_at(policy: RunPolicySpec, since: datetime, seconds: int = 0) -> datetime:
    """Return when a suspicion is confirmed that arises after so many seconds and must then persist.

    It must persist for one interval fewer than its confirmations, since it is observed at both ends.
    """
    return later(since, seconds + (policy.unhealthy_confirmations - 1) * policy.confirmation_interval_seconds)


def silent_at(at: PlanContext, pod: PodFacts) -> datetime | None:
    """Return when a running pod's reporter counts as silent without a further report; None for a pod without a reporter."""
    report = at.report_of(pod)
    last = report.reported_at if report else pod.started_at
    if not pod.reporting or last is None:
        return None
    return later(last, SILENT_INTERVALS * (report.interval_seconds if report else DEFAULT_INTERVAL_SECONDS))


def idle(at: PlanContext, agent: Agent) -> bool:
    """Whether a fresh report proves that the agent has been without activity for too long."""
    report = _fresh(at, agent)
    return report is not None and proves_idle(at, report)


def proves_idle(at: PlanContext, report: ReportFacts) -> bool:
    """Whether a report of any age proves that its agent was without activity for too long when it was made."""
    seconds = at.policy.health.activity_stalled_seconds if at.policy else 0
    return seconds > 0 and _proven(at, report, report.active_at, seconds)


def without_progress(at: PlanContext, agent: Agent) -> bool:
    """Whether a fresh report proves that the agent has been active without progress for too long."""
    report = _fresh(at, agent)
    return report is not None and proves_no_progress(at, report)


def proves_no_progress(at: PlanContext, report: ReportFacts) -> bool:
    """Whether a report of any age proves that its agent was active without progress for too long when it was made."""
    seconds = at.policy.health.progress_stalled_seconds if at.policy else 0
    return seconds > 0 and _proven(at, report, progress_base(at, report), seconds)


def stale(at: PlanContext, agent: Agent) -> bool:
    """Whether a fresh report proves that the agent has made no progress for too long; without progress reports, activity counts."""
    report = _fresh(at, agent)
    if report is None or at.policy is None:
        return False
    return _proven(at, report, report.progress_at or report.active_at, at.policy.stale_run_age_seconds)


def patience(policy: RunPolicySpec) -> int:
    """Return how many seconds a human has between an escalation without progress and a stop as stale."""
    return max(0, policy.stale_run_age_seconds - policy.health.progress_stalled_seconds)


class Silences(NamedTuple):
    """Seconds without activity and without progress that a report proves."""

    activity: float = 0.0
    progress: float = 0.0


def silences(at: PlanContext, report: ReportFacts) -> Silences:
    """Return the silences that a report proves by the clocks of the rules above, whatever the policy's thresholds are.

    An agent that reports no progress has made none since its start.
    """
    pod = at.own_pod(report.agent)
    started = pod.started_at if pod else None
    bases = (report.active_at, report.progress_at or started or report.reported_at)
    return Silences(*((report.reported_at - _since(at, report, base)).total_seconds() for base in bases))


def progress_base(at: PlanContext, report: ReportFacts) -> datetime | None:
    """Return since when an agent has been without progress; None if it reports none and the policy accepts that."""
    if report.progress_at is not None:
        return report.progress_at
    pod = at.own_pod(report.agent)
    asked = at.policy is not None and at.policy.health.silent_agents is SilentAgents.ESCALATE
    return pod.started_at if asked and pod else None


def _fresh(at: PlanContext, agent: Agent) -> ReportFacts | None:
    """Return the report of the agent's running pod, if its reporter is not silent."""
    pod, report = at.own_pod(agent.name), at.report(agent.name)
    if pod is None or report is None or pod.phase == "Pending" or pod.agent_ended or pod.deleting:
        return None  # The reporter starts before its agent, whose image may take time to pull.
    silent = silent_at(at, pod)
    return report if silent and at.now < silent else None


def _proven(at: PlanContext, report: ReportFacts, base: datetime | None, seconds: int) -> bool:
    if base is None or at.policy is None:
        return False
    return report.reported_at >= confirmed_at(at.policy, _since(at, report, base), seconds)


def _since(at: PlanContext, report: ReportFacts, base: datetime) -> datetime:
    """Return when an agent's clock starts: with the agent, and again when it gets an answer or a human dismisses its question,
    since clocks stop while it waits.
    """
    got = (_got_at(report, e) for e in at.snapshot.escalations if e.agent == report.agent and e.question)
    pod = at.own_pod(report.agent)
    starts = (base, *filter(None, got), *_dismissed_at(at, report), *([pod.started_at] if pod and pod.started_at else []))
    return max(starts)


def unnoticed_dismissals(at: PlanContext, report: ReportFacts) -> tuple[str, ...]:
    """Return the escalations of a report's questions that a human has deleted, answered or not, and that are not on record."""
    state = at.agent_state(report.agent)
    names = (at.question_name(report.agent, question.id) for question in report.questions)
    return tuple(name for name in names if name in state.asked and name not in state.dismissed and not at.escalation(name))


def _dismissed_at(at: PlanContext, report: ReportFacts) -> Iterator[datetime]:
    """Yield when the agent's dismissed questions were noticed. A report that was made before that proves nothing."""
    yield from at.agent_state(report.agent).dismissed.values()
    if unnoticed_dismissals(at, report):
        yield report.reported_at


def _got_at(report: ReportFacts, question: EscalationFacts) -> datetime | None:
    """Return when an agent got the answer to a question; None if it has not.

    Until that is on record, it is when the first report shows it: the same pass marks the answer as delivered.
    """
    shown = question.open and question.decision and question.question in (*report.delivered, *report.read)
    return question.delivered_at or (report.reported_at if shown else None)
