"""Pure: the condition Verified. It shows whether the work of every agent with `verify` has been verified."""

from __future__ import annotations

from controller.api.tasks import TaskKind
from controller.api.verification import VerificationResult
from controller.plan.context import PlanContext
from controller.plan.reasons import Reason
from controller.plan.tasks import due
from controller.status.condition_reasons import ConditionReason

Condition = tuple[str, str, str, str]
"""A condition: type, status, reason, message."""

VERIFIED = "Verified"


def verified(at: PlanContext) -> tuple[Condition, ...]:
    """Return the condition; none for a Run without an agent whose work is verified."""
    names = [agent.name for agent in at.agents if agent.verify]
    if not names:
        return ()
    states = {name: at.agent_state(name) for name in names}
    if all(state.outcome and due.is_verified(state, state.outcome.attempt) for state in states.values()):
        return ((VERIFIED, "True", ConditionReason.ALL_VERIFIED, ""),)
    running = [name for name in names if (task := at.task(name)) and task.kind is TaskKind.VERIFY and at.work_done(name)]
    failed = [name for name, state in states.items() if state.verification and _has_failed(state.verification.result)]
    if running:
        return ((VERIFIED, "Unknown", Reason.VERIFYING, _agents(running)),)
    if failed:
        return ((VERIFIED, "False", Reason.VERIFICATION_FAILED, _agents(failed)),)
    return ((VERIFIED, "Unknown", ConditionReason.NOT_VERIFIED, ""),)


def _has_failed(result: VerificationResult) -> bool:
    return result is VerificationResult.FAILED


def _agents(names: list[str]) -> str:
    return f"agent {', '.join(names)}"
