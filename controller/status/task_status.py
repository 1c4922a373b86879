"""Pure: what an agent's status shows of the tasks that follow its work."""

from __future__ import annotations

from controller.api.base import JsonObject, dump
from controller.api.operator_state import AgentState
from controller.api.tasks import TaskKind
from controller.api.verification import VerificationResult, VerificationStatus
from controller.plan.context import PlanContext
from controller.plan.tasks import due


def verification(at: PlanContext, agent: str) -> JsonObject | None:
    """Return the verification that runs or is due, else how the last one ended; None if there was none."""
    state, task = at.agent_state(agent), at.task(agent)
    if task and task.kind is TaskKind.VERIFY and at.work_done(agent):
        return dump(VerificationStatus(result=VerificationResult.RUNNING, attempt=due.attempt_of(state)))
    found = state.verification
    if found is None:
        return None
    shown = VerificationStatus(result=found.result, attempt=found.attempt, exit_code=found.exit_code, message=found.message or None)
    return dump(shown)


def published(state: AgentState) -> JsonObject | None:
    """Return what was published last."""
    return dump(state.published) if state.published else None
