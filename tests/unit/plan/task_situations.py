"""Runs whose agent has done its work, which is verified or published next, and the pods of that."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from controller.api.base import JsonObject
from controller.api.escalation import Decision, EscalationPhase
from controller.api.names import FINALIZER_OUTCOME, pod_name, task_pod_name
from controller.api.operator_state import AgentState, OperatorState, Outcome, OutcomeResult
from controller.api.phases import Phase
from controller.api.policy import RunPolicySpec
from controller.api.resolved_policy import ResolvedPolicy
from controller.api.tasks import TaskKind, TaskState
from controller.plan import Plan, plan
from controller.plan.actions import Action, CreateEscalation, Transition
from controller.plan.reasons import Reason
from controller.plan.snapshot import EscalationFacts, PodFacts, Snapshot, Termination
from controller.plan.snapshot_reader import read_snapshot
from controller.plan.transitions import apply
from tests.unit.plan.stories import NOW

VERIFY = {"command": ["pytest", "-q"], "timeoutSeconds": 60}
PUBLISH = {"git": {"branch": "agents/{run}-{agent}"}}
SOURCE = {"source": {"git": {"url": "https://git.example/team/project.git"}}}
TREE, COMMIT = "a" * 40, "c" * 40
EARLIER = NOW - timedelta(minutes=10)
DONE = Outcome(attempt=0, result=OutcomeResult.COMPLETED, reason="NoResultReported", exit_code=0, finished_at=EARLIER)


def situation(state: AgentState, *pods: PodFacts, policy: RunPolicySpec | None = None, **agent: Any) -> Snapshot:
    """Return a Run whose agent's attempt has ended; its spec has `verify` unless it is given."""
    spec = {"name": "coder", "image": "x", "workspace": {}, **({"verify": VERIFY} | agent)}
    document = {"now": NOW.isoformat(), "run": {"name": "demo", "uid": "run-1", "spec": {"agents": [spec]}}}
    snapshot, _ = read_snapshot(document)
    assert snapshot.run.violations == ()
    saved = OperatorState(run_uid="run-1", started_at=EARLIER, agents={"coder": state})
    resolved = ResolvedPolicy.of("default", policy or RunPolicySpec(restart_cooldown_seconds=0))
    return replace(snapshot, state=saved, pods=(agents_pod(state.attempt), *pods), policy=resolved)


def agents_pod(attempt: int = 0) -> PodFacts:
    """Return the pod of an attempt that has ended well."""
    end = Termination(0, "Completed", finished_at=EARLIER)
    return PodFacts(
        pod_name("demo", "coder", attempt), f"c{attempt}", "coder", attempt, "run-1", "Succeeded", bound=True, termination=end
    )


def task_pod(number: int = 0, kind: TaskKind = TaskKind.VERIFY, attempt: int = 0, **facts: Any) -> PodFacts:
    """Return the pod of a try of a task, which runs unless its facts say otherwise."""
    name = task_pod_name("demo", "coder", attempt, kind, number)
    running: JsonObject = {"phase": "Running", "bound": True, "ready": True, "started_at": NOW, "finalizers": (FINALIZER_OUTCOME,)}
    known = {"task": kind.lower(), "task_number": number}
    return PodFacts(name, f"t{number}", "coder", attempt, "run-1", **(running | known | facts))


def ended(exit_code: int, *, attempt: int = 0, kind: TaskKind = TaskKind.VERIFY, **facts: Any) -> PodFacts:
    """Return the pod of a first try after its container has ended by itself."""
    end = Termination(exit_code, "Error" if exit_code else "Completed", started_at=EARLIER, finished_at=EARLIER)
    whole = {"phase": "Failed" if exit_code else "Succeeded", "termination": end, "started_at": None, "ready": False}
    return task_pod(kind=kind, attempt=attempt, **(whole | facts))


def done(task: TaskState | None = None, attempt: int = 0, **state: Any) -> AgentState:
    """Return the state of an agent whose attempt is recorded as complete."""
    outcome = DONE.model_copy(update={"attempt": attempt})
    known: JsonObject = {"attempt": attempt, "pod_uid": f"c{attempt}", "outcome": outcome, "task": task}
    return AgentState(**(known | state))


def started(kind: TaskKind = TaskKind.VERIFY, number: int = 0, **task: Any) -> TaskState:
    """Return a task whose pod is named."""
    return TaskState(kind=kind, number=number, pod_uid=f"t{number}", **task)


def steps(snapshot: Snapshot) -> list[type[Action]]:
    """Return the kinds of the due actions."""
    return [type(action) for action in plan(snapshot, NOW).actions]


def recorded(snapshot: Snapshot) -> Snapshot:
    """Return the situation after every due change of the state."""
    for _ in range(4):
        changes = [action for action in plan(snapshot, NOW).actions if isinstance(action, Transition)]
        for action in changes:
            snapshot = replace(snapshot, state=apply(snapshot, action, NOW))
    return snapshot


def agent_of(snapshot: Snapshot) -> AgentState:
    assert snapshot.state
    return snapshot.state.agents["coder"]


def reason_of(decision: Plan) -> tuple[Phase, Reason]:
    return decision.verdict.phase, decision.verdict.reason


def with_answer(snapshot: Snapshot, asked: CreateEscalation, decision: Decision) -> Snapshot:
    """Return the situation after the escalation exists, the state has it, and a human has answered it."""
    found = EscalationFacts(
        asked.escalation, "e", "run-1", "coder", asked.attempt, EscalationPhase.OPEN, expires_at=asked.inquiry.expires_at
    )
    blocked = recorded(replace(snapshot, escalations=(found,)))
    assert agent_of(blocked).blocked
    return replace(blocked, escalations=(replace(found, decision=decision, phase=EscalationPhase.ANSWERED),))
