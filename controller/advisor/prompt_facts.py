"""The operator's own facts about one agent: numbers and constants, without untrusted text."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from controller.api.operator_state import AgentState
from controller.plan.attempts.budget import agent_restarts
from controller.plan.context import PlanContext


def facts_of(at: PlanContext, agent: str) -> dict[str, Any]:
    """Return the known facts about an agent. Ages are in seconds; unknown facts are left out."""
    state = at.agent_state(agent)
    facts: dict[str, Any] = {
        "agent": agent,
        "attempt": state.attempt,
        "restarts_charged": agent_restarts(at, agent),
        "restarts_free": state.free_restarts,
        "restart_budget": at.policy.restart_budget if at.policy else None,
        "agents_of_the_run": len(at.agents) or None,
        "last_outcome": state.last_outcome or None,
        "outcome": _outcome(state),
        "open_escalations": sum(1 for e in at.snapshot.escalations if e.open and e.agent == agent),
        **_pod(at, agent),
        **_report(at, agent),
    }
    return {name: value for name, value in facts.items() if value is not None}


def _outcome(state: AgentState) -> dict[str, Any] | None:
    outcome = state.outcome
    if outcome is None:
        return None
    return {"attempt": outcome.attempt, "result": outcome.result.value, "reason": outcome.reason, "exit_code": outcome.exit_code}


def _pod(at: PlanContext, agent: str) -> dict[str, Any]:
    pod = at.own_pod(agent)
    if pod is None:
        return {}
    exit_code = pod.termination.exit_code if pod.termination else None
    age = _age(at, pod.started_at)
    return {"pod_terminated": pod.terminated, "pod_ready": pod.ready, "exit_code": exit_code, "started_seconds_ago": age}


def _report(at: PlanContext, agent: str) -> dict[str, Any]:
    report = at.report(agent)
    if report is None:
        return {}
    return {
        "active_seconds_ago": _age(at, report.active_at),
        "progress_seconds_ago": _age(at, report.progress_at),
        "progress_events": report.progress_events,
        "open_questions": len(report.questions),
        "parked": report.parked,
    }


def _age(at: PlanContext, since: datetime | None) -> int | None:
    return max(0, int((at.now - since).total_seconds())) if since else None
