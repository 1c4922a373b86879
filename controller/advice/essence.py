"""The operator's own facts about one agent, in numbers and constants: nothing in them is anybody else's words."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from controller.api.run_status import AgentState
from controller.plan.snapshot import PodFacts, ReportFacts, Snapshot


def facts_of(snapshot: Snapshot, agent: str) -> dict[str, Any]:
    """Return what is known of an agent; ages are seconds before its last report, what is not known is left out."""
    state = state_of(snapshot, agent)
    spec = snapshot.policy.spec if snapshot.policy else None
    found: dict[str, Any] = {
        "agent": agent,
        "attempt": state.attempt,
        "restarts_charged": state.restarts,
        "restarts_free": state.free_restarts,
        "restart_budget": spec.restart_budget if spec else None,
        "agents_of_the_run": len(snapshot.run.spec.agents) if snapshot.run.spec else None,
        "last_outcome": state.last_outcome or None,
        "outcome": _outcome(state),
        "open_escalations": sum(1 for e in snapshot.escalations if e.open and e.agent == agent),
        **_pod(pod_of(snapshot, agent)),
        **_report(pod_of(snapshot, agent), report_of(snapshot, agent)),
    }
    return {name: value for name, value in found.items() if value is not None}


def state_of(snapshot: Snapshot, agent: str) -> AgentState:
    """Return the operator's record of an agent, an empty one where there is none."""
    return snapshot.state.agents.get(agent, AgentState()) if snapshot.state else AgentState()


def pod_of(snapshot: Snapshot, agent: str) -> PodFacts | None:
    """Return the pod of an agent's latest attempt that was observed."""
    pods = [pod for pod in snapshot.pods if pod.agent == agent and pod.run_uid == snapshot.run.uid]
    return max(pods, key=lambda pod: pod.attempt, default=None)


def report_of(snapshot: Snapshot, agent: str) -> ReportFacts | None:
    """Return the newest report on an agent, the one that its pod left included."""
    pod = pod_of(snapshot, agent)
    left = (pod.last_report,) if pod and pod.last_report else ()
    reports = [r for r in (*snapshot.reports, *left) if r.agent == agent and r.run_uid == snapshot.run.uid]
    return max(reports, key=lambda report: (report.attempt, report.seq), default=None)


def _outcome(state: AgentState) -> dict[str, Any] | None:
    outcome = state.outcome
    if outcome is None:
        return None
    return {"attempt": outcome.attempt, "result": outcome.result.value, "reason": outcome.reason, "exit_code": outcome.exit_code}


def _pod(pod: PodFacts | None) -> dict[str, Any]:
    if pod is None:
        return {}
    exit_code = pod.termination.exit_code if pod.termination else None
    return {"pod_terminated": pod.terminated, "pod_ready": pod.ready, "exit_code": exit_code}


def _report(pod: PodFacts | None, report: ReportFacts | None) -> dict[str, Any]:
    if report is None:
        return {}
    return {
        "started_seconds_ago": _age(report, pod.started_at if pod else None),
        "active_seconds_ago": _age(report, report.active_at),
        "progress_seconds_ago": _age(report, report.progress_at),
        "progress_events": report.progress_events,
        "open_questions": len(report.questions),
        "parked": report.parked,
    }


def _age(report: ReportFacts, since: datetime | None) -> int | None:
    return max(0, int((report.reported_at - since).total_seconds())) if since else None
