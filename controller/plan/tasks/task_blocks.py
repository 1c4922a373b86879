"""The blocks of tasks: what a human is asked when an agent's work cannot be verified or published."""

from __future__ import annotations

from controller.api.operator_state import AgentState
from controller.api.phases import Health
from controller.api.tasks import TaskKind, TaskState
from controller.api.verification import VerificationResult, VerificationState
from controller.plan.context import PlanContext
from controller.plan.model import Block
from controller.plan.reasons import Reason
from controller.plan.tasks import due
from controller.plan.tasks.task_records import TASK_FAULT_LIMIT, words

TRY_AGAIN = (
    "Retry tries it again, without another attempt of the agent. Stop ends the Run as Failed, Wait extends the time. "
    "A new time in spec.restartedAt starts another attempt of the agent instead."
)


def held(at: PlanContext, agent: str, task: TaskState) -> Block:
    """A task that only a human can help on."""
    reason, state = Reason(task.failure), at.agent_state(agent)
    what = "verified" if task.kind is TaskKind.VERIFY else "published"
    tries = f" ({task.faults} tries)" if task.faults >= TASK_FAULT_LIMIT else ""
    cause = f"the work of attempt {due.attempt_of(state)} is not {what}{tries}: {task.message}"
    remedy = f"{REMEDIES[reason]}, then answer Retry"
    return Block(agent, state.attempt, reason, None, cause, remedy, f"{task.kind} {task.number}", decisions=TRY_AGAIN)


REMEDIES = {
    Reason.VERIFICATION_UNAVAILABLE: "find out what keeps its pods from working",
    Reason.PUBLISH_UNAVAILABLE: "bring the server back, or find out what keeps the pods from working",
    Reason.PUBLISH_REFUSED: "fix what it names (a credential, a protected branch, the branch itself)",
    Reason.PUBLISH_COMMAND_FAILED: "fix what it names; the command must bear to run twice",
}


def repeated(at: PlanContext, agent: str) -> Block | None:
    """The same failure of the verification for two attempts in a row; None for another end."""
    state = at.agent_state(agent)
    found = _failure(state)
    if found is None or not found.repeated:
        return None
    cause = f"the same failure {found.repeated + 1} times in a row, now in attempt {found.attempt}: {words(found)}"
    remedy = "correct the agent's brief or workspace, or what verifies it, then answer Retry: one attempt that is not charged"
    evidence = f"{found.attempt} {found.digest}"
    return Block(agent, state.attempt, Reason.VERIFICATION_REPEATED, Health.DEAD, cause, remedy, evidence, _account(found))


def _failure(state: AgentState) -> VerificationState | None:
    found, outcome = state.verification, state.outcome
    if found is None or outcome is None or outcome.reason != Reason.VERIFICATION_FAILED:
        return None
    return found if found.attempt == outcome.attempt and found.result is VerificationResult.FAILED else None


def _account(found: VerificationState) -> str:
    return f"Its output ends with:\n\n{found.message}" if found.message else ""
