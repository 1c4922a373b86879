"""The lifecycle of a Run's escalations: opened when a situation blocks an agent, closed when it is over, never opened twice.

Creating one is harmless, since its name identifies the situation. It stands while the state names it. A human dismisses an
escalation by deleting it.
"""

from __future__ import annotations

from controller.api.escalation import Decision, EscalationPhase, EscalationType
from controller.api.operator_state import AgentState
from controller.plan import allowance, refused_writes
from controller.plan.actions import Action, BlockAgent, CreateEscalation, RenewWait, SetEscalationPhase, UnblockAgent
from controller.plan.attempts import unreachable
from controller.plan.context import PlanContext
from controller.plan.escalations import approvals, blocked, consultation, questions
from controller.plan.inquiries import Consultation
from controller.plan.intents import Intent
from controller.plan.model import Block
from controller.plan.reasons import Reason
from controller.plan.snapshot import EscalationFacts


def sync_blocked(at: PlanContext, agent: str, block: Block | None) -> Action | None:
    """Return the next step that brings the state and the inbox in line with an agent's current block."""
    standing = at.agent_state(agent).blocked
    if block is None:
        return UnblockAgent(reason=Reason.CAUSE_GONE, agent=agent) if standing else None
    inquiry = blocked.inquiry_of(at, block)
    if standing and standing.escalation == inquiry.name:
        return None
    if not at.name_in_inbox(inquiry.name) and not allowance.may_open(at, agent):
        return None
    matter = Consultation(
        inquiry.name, Intent.ESCALATE_BLOCKED, block.reason, block.cause, consultation.ALLOWED[Intent.ESCALATE_BLOCKED]
    )
    if not block.ending and (consulted := consultation.ask(at, agent, matter)):
        return next(iter(consulted.actions), None)
    if at.name_in_inbox(inquiry.name):
        expires_at = blocked.expiry(at, block)
        return BlockAgent(reason=block.reason, agent=agent, attempt=block.attempt, inquiry=inquiry, expires_at=expires_at)
    return CreateEscalation(
        intent=Intent.ESCALATE_BLOCKED, reason=block.reason, agent=agent, attempt=block.attempt, inquiry=inquiry
    )


def phase_changes(at: PlanContext) -> tuple[SetEscalationPhase, ...]:
    """Return the phase changes that are due for the Run's escalations, by name.

    An escalation that nobody may answer is opened, and people are notified, once a policy in force defines who may.
    """
    ours = (e for e in at.snapshot.escalations if e.run_uid == at.snapshot.run.uid and e.open and e.type in _INTENTS)
    return tuple(_mark(e, phase) for e in sorted(ours, key=lambda e: e.name) if _is_due(at, e, phase := _phase(at, e)))


def _is_due(at: PlanContext, escalation: EscalationFacts, phase: EscalationPhase) -> bool:
    if phase is EscalationPhase.OPEN and not escalation.answerable:
        return at.policy is not None
    return phase is not escalation.phase


def _mark(escalation: EscalationFacts, phase: EscalationPhase) -> SetEscalationPhase:
    reason = _EXPIRIES[escalation.type] if phase is EscalationPhase.EXPIRED else _REASONS[phase]
    return SetEscalationPhase(
        intent=_INTENTS[escalation.type],
        reason=reason,
        agent=escalation.agent,
        attempt=escalation.attempt,
        escalation=escalation.name,
        escalation_phase=phase,
    )


_REASONS = {
    EscalationPhase.OPEN: Reason.ESCALATED,
    EscalationPhase.ANSWERED: Reason.ANSWERED,
    EscalationPhase.DELIVERED: Reason.ANSWERED,
    EscalationPhase.RESOLVED: Reason.CAUSE_GONE,
    EscalationPhase.SUPERSEDED: Reason.SUPERSEDED,
}

_EXPIRIES = {
    EscalationType.BLOCKED: Reason.BLOCKED_TIMEOUT,
    EscalationType.QUESTION: Reason.QUESTION_TIMEOUT,
    EscalationType.APPROVAL: Reason.APPROVAL_TIMEOUT,
}

_INTENTS = {
    EscalationType.BLOCKED: Intent.ESCALATE_BLOCKED,
    EscalationType.QUESTION: Intent.ESCALATE_GUIDANCE,
    EscalationType.APPROVAL: Intent.REQUEST_APPROVAL,
}


def _phase(at: PlanContext, escalation: EscalationFacts) -> EscalationPhase:
    """Return the phase that an open escalation should have now."""
    if escalation.type is EscalationType.QUESTION:
        return questions.phase(at, escalation)
    if escalation.type is EscalationType.APPROVAL:
        return approvals.phase(at, escalation)
    state = at.agent_state(escalation.agent)
    stop = at.state.stop if at.state else None
    standing = state.blocked is not None and state.blocked.escalation == escalation.name
    if stop is not None and not (standing and _outlives_the_stop(at, escalation, state)):
        return _at_the_end(escalation, timed_out=standing and stop.reason in TIMEOUTS)
    if standing and not (state.blocked and state.blocked.decision):
        return EscalationPhase.ANSWERED if escalation.decision else EscalationPhase.OPEN
    if escalation.decision is Decision.RETRY and not _effect_seen(at, escalation):
        return EscalationPhase.ANSWERED
    moved_on = state.attempt > escalation.attempt and escalation.decision is None
    return EscalationPhase.SUPERSEDED if moved_on else EscalationPhase.RESOLVED


def _outlives_the_stop(at: PlanContext, escalation: EscalationFacts, state: AgentState) -> bool:
    """Whether a standing escalation still waits for a human although the Run ends."""
    return refused_writes.stands(state) or unreachable.escalated_at_the_end(at, escalation.agent, escalation.name)


def wait_at_the_end(at: PlanContext, agent: str, block: Block) -> RenewWait | None:
    """Return the step that carries out a human's answer while a Run ends: it only closes the escalation."""
    standing, found = at.agent_state(agent).blocked, at.standing_escalation(agent)
    answered = found is not None and found.decision and found.name == blocked.name_of(at, block)
    if found and found.decision and answered and standing and not standing.decision:
        return RenewWait(reason=Reason.WAIT_ORDERED, agent=agent, escalation=found.name, decision=found.decision)
    return None


TIMEOUTS = frozenset({Reason.BLOCKED_TIMEOUT.value, Reason.STALE.value})
"""Reasons of ends without an answer in time."""


def _at_the_end(escalation: EscalationFacts, *, timed_out: bool) -> EscalationPhase:
    if escalation.decision is Decision.STOP:
        return EscalationPhase.RESOLVED
    return EscalationPhase.EXPIRED if timed_out else EscalationPhase.SUPERSEDED


def _effect_seen(at: PlanContext, escalation: EscalationFacts) -> bool:
    """Whether the attempt that a Retry requested has started, or was overtaken."""
    state, pod = at.agent_state(escalation.agent), at.own_pod(escalation.agent)
    if state.attempt <= escalation.attempt:
        return state.blocked is None or state.blocked.decision is not None
    return state.attempt > escalation.attempt + 1 or bool(state.pod_uid and not (pod and pod.gated))
