"""Writes that the API server refuses for good: their reasons, what a pass does instead, and the block once that has lasted.

A refused write is not tried again in the same pass; the next pass tries it. It is refused until the rule that refuses it is
changed: an admission policy, a webhook, a quota, a role.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from controller.api.names import FINALIZER_OUTCOME
from controller.api.operator_state import AgentState
from controller.api.phases import Health
from controller.api.timestamps import later
from controller.plan.actions import (
    Action,
    CreateClaim,
    CreateEscalation,
    CreatePod,
    CreateTask,
    DeletePod,
    DeleteRun,
    DeliverAnswer,
    RemoveFinalizer,
    SetEscalationPhase,
    Terminate,
    Ungate,
)
from controller.plan.context import PlanContext
from controller.plan.decisions import Wait
from controller.plan.model import Block
from controller.plan.reasons import Reason
from controller.plan.snapshot import Refusal

RETRY_SECONDS = 30
"""Delay before a refused write is tried again: no event shows that a policy or a quota was changed."""


class Write(NamedTuple):
    """A kind of write: the reason of its refusal, its name in messages, and the block for it (see `Block`).

    It is `distinct` if a human is asked about each of its objects. Otherwise the refusal of an escalation would lead to another.
    """

    reason: Reason
    name: str
    health: Health | None = None
    patient: bool = True
    distinct: bool = True


_POD = Write(Reason.POD_REFUSED, "its pod", Health.PENDING_STALLED, patient=False, distinct=False)
_START = Write(Reason.START_REFUSED, "the start of pod {name}", Health.PENDING_STALLED, patient=False)
_RELEASE = Write(Reason.RELEASE_REFUSED, f"the removal of finalizer {FINALIZER_OUTCOME} from pod {{name}}")

WRITES: dict[str, Write] = {
    CreatePod.step: _POD,
    CreateClaim.step: _POD._replace(name="its workspace claim"),
    CreateTask.step: _POD._replace(name="pod {name}"),
    Ungate.step: _START,
    Terminate.step: Write(Reason.END_REFUSED, "the end of pod {name}"),
    DeletePod.step: Write(Reason.END_REFUSED, "the deletion of pod {name}"),
    RemoveFinalizer.step: _RELEASE,
    CreateEscalation.step: Write(Reason.ESCALATION_REFUSED, "the creation of escalation {name}", distinct=False),
    SetEscalationPhase.step: Write(Reason.ESCALATION_REFUSED, "the phase of escalation {name}", distinct=False),
    DeliverAnswer.step: Write(Reason.DELIVERY_REFUSED, "the delivery of the answer in escalation {name}"),
    DeleteRun.step: Write(Reason.DELETION_REFUSED, "the deletion of the Run"),
}
"""The writes for a Run by the step of their action."""

REASONS = frozenset(write.reason for write in WRITES.values())
"""Reasons of blocks for refused writes."""


def refusal_of(action: Action, message: str) -> Refusal:
    """Return the refusal of an action."""
    target, name = _target(action)
    return Refusal(action.agent, message, action.step, action.attempt, target, name)


def of(at: PlanContext, action: Action) -> Refusal | None:
    """Return the refusal of an action in this pass, if it was refused."""
    key = (action.step, action.agent, action.attempt, _target(action)[0])
    return next((r for r in at.snapshot.refusals if (r.step, r.agent, r.attempt, r.target) == key), None)


def of_start(at: PlanContext, agent: str) -> Refusal | None:
    """Return the refusal of a step that starts an agent's attempt."""
    starts = (CreateClaim.step, CreatePod.step, Ungate.step)
    return next((refusal for refusal in at.snapshot.refusals if refusal.agent == agent and refusal.step in starts), None)


def _target(action: Action) -> tuple[str, str]:
    """Return what identifies the action's object, and the object's name."""
    pod, escalation = getattr(action, "pod", ""), getattr(action, "escalation", "")
    return (getattr(action, "pod_uid", ""), pod) if pod else (escalation, escalation)


def reason(refusal: Refusal) -> Reason:
    """Return the reason of a refusal."""
    return WRITES[refusal.step].reason


def text(refusal: Refusal) -> str:
    """Return which write is refused, and the API server's words."""
    return f"{WRITES[refusal.step].name.format(name=refusal.name)} is refused: {refusal.message}"


def hold(at: PlanContext, refusal: Refusal) -> Wait:
    """Return the wait of an agent whose start or restart is refused."""
    message = refusal.message if reason(refusal) is Reason.POD_REFUSED else text(refusal)
    return Wait(reason(refusal), message, later(at.now, RETRY_SECONDS))


def stands(state: AgentState) -> bool:
    """Whether the agent's saved block is one for a refused write."""
    return state.blocked is not None and state.blocked.reason in REASONS


def block(at: PlanContext, agent: str) -> Block | None:
    """Return the block for an agent's refused writes, once writes for the Run have been refused for long.

    A refusal that concerns no agent is that of the first one.
    """
    refusal = next((refusal for refusal in at.snapshot.refusals if _agent(at, refusal) == agent), None)
    if refusal is None or not (_for_long(at) or stands(at.agent_state(agent))):
        return None
    return block_of(at, refusal)


def _agent(at: PlanContext, refusal: Refusal) -> str:
    return refusal.agent or at.agents[0].name if at.agents else refusal.agent


def block_of(at: PlanContext, refusal: Refusal) -> Block:
    """Return the block for a refusal, whether it has lasted or not."""
    agent, write = _agent(at, refusal), WRITES[refusal.step]
    attempt, evidence = at.agent_state(agent).attempt, refusal.target if write.distinct else ""
    found = Block(agent, attempt, write.reason, write.health, text(refusal), REMEDY, evidence)
    return replace(found, patient=True, decisions=DECISIONS) if write.patient else found


REMEDY = f"change what refuses it (a policy, a webhook, a quota, a role); the write is tried again every {RETRY_SECONDS} s"

DECISIONS = (
    "No answer is needed: the escalation is closed once the write succeeds. Wait changes nothing else. Unless the Run ends "
    "anyway, Retry restarts an agent that runs, uncharged, and Stop ends the Run as Failed."
)


def escalates_at(at: PlanContext) -> datetime | None:
    """Return when refused writes are escalated; None if they were not refused before, or if the policy has no threshold."""
    since, threshold = at.snapshot.run.refused_since, at.policy.health.pending_stalled_seconds if at.policy else 0
    return later(since, threshold) if since and threshold else None


def check_at(at: PlanContext) -> datetime:
    """Return when to try refused writes again, or to escalate them if that is earlier."""
    retry, escalation = later(at.now, RETRY_SECONDS), escalates_at(at)
    return min(retry, escalation) if escalation and escalation > at.now else retry


def _for_long(at: PlanContext) -> bool:
    escalation = escalates_at(at)
    return escalation is not None and at.now >= escalation
