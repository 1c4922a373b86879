"""What is saved of an agent's tasks: the pod of a try, its end, and a human's order to try again.

A passed verification counts for its attempt only. A failed one becomes the attempt's own end, so the policy decides what follows.
"""

from __future__ import annotations

from datetime import datetime

from controller.api.base import MAX_TEXT
from controller.api.operator_state import AgentState, OutcomeResult
from controller.api.run import Agent
from controller.api.tasks import TaskKind, TaskState
from controller.api.timestamps import later
from controller.api.verification import VerificationResult, VerificationState
from controller.plan.context import PlanContext
from controller.plan.failure_digest import failure_digest
from controller.plan.reasons import Reason
from controller.plan.snapshot import PodFacts
from controller.plan.tasks import due, publication
from controller.plan.tasks.ends import Result, TaskEnd, end_of

TASK_FAULT_LIMIT = 5
"""Tries of a task that may fail by nobody's fault until a human is asked."""

TASK_RETRY_SECONDS = 10
"""Delay before the second try of a task; it doubles with each fault."""

NOT_DUE = TaskEnd(Result.INTERRUPTED, Reason.TASK_NOT_DUE, "it was ended because the attempt was not complete by the policy")
"""The end of a try for which nothing counts; the next one has another name, should it be due again."""

FAULTS = {TaskKind.VERIFY: Reason.VERIFICATION_UNAVAILABLE, TaskKind.PUBLISH: Reason.PUBLISH_UNAVAILABLE}
"""Why a human is asked after too many faults."""


def adopted(agent: AgentState, task: TaskState, pod_uid: str) -> AgentState:
    """Return the agent's state with the pod of its task's try."""
    return agent.model_copy(update={"task": task.model_copy(update={"pod_uid": pod_uid})})


def tried_again(agent: AgentState) -> AgentState:
    """Return the agent's state after a human asked for another try: it is due at once, and as many may fail as before."""
    if agent.task is None:
        raise ValueError("only a task that has been tried can be tried again")
    task = agent.task.model_copy(update={"faults": 0, "failure": "", "retry_at": None})
    return agent.model_copy(update={"task": task, "blocked": None})


def ended(at: PlanContext, agent: Agent) -> AgentState:
    """Return the agent's state after the end of its task's pod."""
    state, pod = at.agent_state(agent.name), at.task_pod(agent.name)
    if state.task is None:
        raise ValueError("only a task that has been started can end")
    if at.due_task(agent.name) is not state.task.kind:
        return state.model_copy(update={"task": next_try(state.task, NOT_DUE, at.ceiling)})
    end = end_of(agent, state.task.kind, pod)
    match end.result:
        case Result.PASSED:
            return _passed(at, agent, state, state.task.kind, pod)
        case Result.FAILED:
            return _failed(state, pod, end)
        case _:
            return state.model_copy(update={"task": next_try(state.task, end, at.ceiling)})


def next_try(task: TaskState, end: TaskEnd, now: datetime) -> TaskState:
    """Return the task before its next try, with the reason why a human must help before that, if one must."""
    faults = task.faults + (end.result is Result.FAULT)
    spent = end.result is Result.FAULT and faults >= TASK_FAULT_LIMIT
    held = end.reason if end.result is Result.HELD else FAULTS[task.kind] if spent else None
    waits = end.result is Result.FAULT and not spent
    return task.model_copy(
        update={
            "number": task.number + 1,
            "pod_uid": "",
            "faults": faults,
            "failure": held.value if held else "",
            "retry_at": later(now, TASK_RETRY_SECONDS << (faults - 1)) if waits else None,
            "message": end.message[-MAX_TEXT:],
        }
    )


def _passed(at: PlanContext, agent: Agent, state: AgentState, kind: TaskKind, pod: PodFacts | None) -> AgentState:
    if pod is None:
        raise ValueError("a pod that is gone has not ended well")
    if kind is TaskKind.PUBLISH:
        done = publication.published(at.snapshot.run, agent, state, pod)
        return state.model_copy(update={"task": None, "published": done})
    tree, attempt = pod.task_tree or None, due.attempt_of(state)
    passed = VerificationState(attempt=attempt, result=VerificationResult.PASSED, exit_code=0, tree=tree)
    return state.model_copy(update={"task": None, "verification": passed})


def _failed(state: AgentState, pod: PodFacts | None, end: TaskEnd) -> AgentState:
    """Return the state of an agent whose work is not good: its attempt has failed after all."""
    if state.outcome is None:
        raise ValueError("only work that is done can be verified")
    before, digest = state.verification, failure_digest(end.exit_code, end.message)
    same = before is not None and before.result is VerificationResult.FAILED and before.digest == digest
    failed = VerificationState(
        attempt=state.outcome.attempt,
        result=VerificationResult.FAILED,
        exit_code=end.exit_code,
        message=end.message,
        digest=digest,
        tree=pod.task_tree or None if pod else None,
        repeated=before.repeated + 1 if before and same else 0,
    )
    outcome = state.outcome.model_copy(
        update={
            "result": OutcomeResult.FAILED,
            "reason": Reason.VERIFICATION_FAILED.value,
            "kubelet_reason": "",
            "message": words(failed),
            "exit_code": None,
        }
    )
    return state.model_copy(update={"task": None, "verification": failed, "outcome": outcome})


def words(failed: VerificationState) -> str:
    """Return the exit code of a failed verification and the end of its output, as long as a message may be."""
    code = "ended at its time limit" if failed.exit_code is None else f"exit code {failed.exit_code}"
    output = failed.message.strip()[-MAX_TEXT + len(code) + len(JOINT) :].strip()
    return f"{code}{JOINT}{output}" if output else code


JOINT = ": "
