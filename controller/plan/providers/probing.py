"""What a probe has shown: by its pod and its reports, as the caches have them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from controller.api.operator_state import OutcomeResult
from controller.api.provider import ProbeStatus, ProviderSpec
from controller.api.timestamps import later
from controller.plan.providers.states import Evidence
from controller.plan.snapshot import PodFacts, ReportFacts


@dataclass(frozen=True, slots=True)
class ProbingRun:
    """The Run of a probe: whether it still wants to work, its pods and reports."""

    wants: bool
    pods: tuple[PodFacts, ...] = ()
    reports: tuple[ReportFacts, ...] = ()


def evidence(spec: ProviderSpec, probe: ProbeStatus, run: ProbingRun | None, now: datetime) -> Evidence:
    """Return what a probe has shown. A finished turn, a completed attempt or enough time at work without a limit proves enough.

    A probe whose Run is gone, paused, stopped or halted is withdrawn. One that does not start in time is replaced, too.
    """
    if run is None:
        return Evidence.WITHDRAWN
    pods = [pod for pod in run.pods if pod.agent == probe.agent and not pod.task and pod.run_uid == probe.run_uid]
    pod = next((pod for pod in pods if pod.attempt == probe.attempt and not pod.gated), None)
    report = _report(probe, pod, run.reports)
    if _has_worked(report) or (pod and _completed(pod)):
        return Evidence.WORKS
    if pod and not pod.agent_ended and not pod.deleting:
        since = max(pod.started_at, probe.since) if pod.started_at else None
        worked = since and pod.phase == "Running" and now >= later(since, spec.probe.timeout_seconds)
        return Evidence.WORKS if worked else _unstarted(spec, probe, pod, run, now)
    if pod or any(other.attempt > probe.attempt for other in pods):
        return Evidence.ENDED if run.wants else Evidence.WITHDRAWN
    return _unstarted(spec, probe, None, run, now)


def _unstarted(spec: ProviderSpec, probe: ProbeStatus, pod: PodFacts | None, run: ProbingRun, now: datetime) -> Evidence:
    if not run.wants:
        return Evidence.WITHDRAWN
    if pod and pod.started_at:
        return Evidence.NOTHING
    return Evidence.ENDED if now >= later(probe.since, spec.probe.timeout_seconds) else Evidence.NOTHING


def due_at(spec: ProviderSpec, probe: ProbeStatus, run: ProbingRun | None) -> datetime:
    """Return when to look at a probe again at the latest, if nothing changes."""
    pods = run.pods if run else ()
    started = [pod.started_at for pod in pods if pod.agent == probe.agent and pod.attempt == probe.attempt and pod.started_at]
    return later(max([probe.since, *started]), spec.probe.timeout_seconds)


def _report(probe: ProbeStatus, pod: PodFacts | None, reports: Iterable[ReportFacts]) -> ReportFacts | None:
    """Return the newest report of the probing attempt."""
    found = [*reports, *([pod.last_report] if pod and pod.last_report else [])]
    own = (r for r in found if (r.run_uid, r.agent, r.attempt) == (probe.run_uid, probe.agent, probe.attempt))
    return max(own, key=lambda report: report.seq, default=None)


def _has_worked(report: ReportFacts | None) -> bool:
    """Whether an attempt has finished a turn since its start, and has met no limit since."""
    if report is None or report.limit:
        return False
    spent = report.usage is not None and report.usage.input_tokens + report.usage.output_tokens > 0
    return report.turns > 0 or spent or (report.result is not None and report.result.outcome == OutcomeResult.COMPLETED)


def _completed(pod: PodFacts) -> bool:
    """Whether the agent has exited with 0."""
    return pod.termination is not None and pod.termination.exit_code == 0
