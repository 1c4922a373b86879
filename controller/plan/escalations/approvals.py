"""Actions of the rules that need a human's approval; `approval_policy` decides which do.

This module only holds actions back. An approved action is decided again from the facts of that moment. A denied action stays denied
until the evidence changes, which makes another escalation. Deleting the escalation denies it.
"""

from __future__ import annotations

from controller.api.escalation import Decision, EscalationPhase, EscalationType, Proposal
from controller.api.llm_policy import Approvable, LLMMode, OnTimeout
from controller.api.names import escalation_name
from controller.api.timestamps import later
from controller.plan.actions import CreateEscalation, RememberApproval
from controller.plan.context import PlanContext
from controller.plan.decisions import AgentDecision, Wait
from controller.plan.escalations import approval_policy, consultation
from controller.plan.inquiries import Consultation, Inquiry
from controller.plan.intents import Intent
from controller.plan.reasons import Reason
from controller.plan.snapshot import EscalationFacts

OPTIONS = (Decision.APPROVE.value, Decision.DENY.value)

WHAT = {Approvable.RESTART: "restart agent {agent}", Approvable.STOP_STALE: "stop the Run as stale"}
"""Descriptions of the actions."""


def require_approval(at: PlanContext, agent: str, wanted: Approvable, reason: Reason, cause: str) -> AgentDecision | None:
    """Return the decision that replaces an action that needs approval; None if the action may be done.

    `cause` is shown to the human.
    """
    name = _name(at, agent, wanted, reason)
    existing = at.escalation(name)
    if existing is not None and name not in at.agent_state(agent).asked:
        return AgentDecision((_remember(at, agent, existing, reason),), hold=_waits(agent, name, wanted, existing))
    if held := _held(at, agent, name, wanted):
        return AgentDecision(hold=held)
    if at.policy is None or at.mode is LLMMode.OFF:
        return None
    matter = Consultation(name, approval_policy.WANTED[wanted], reason, cause, consultation.ALLOWED[approval_policy.WANTED[wanted]])
    if decision := consultation.ask(at, agent, matter):
        return decision
    advice = at.advice(agent, name)
    # If a crash lost the advice after a human was asked, that human still decides.
    due = existing is not None and advice is None
    if not (due or approval_policy.needs_human(at.mode, at.policy.llm, wanted, advice)):
        return None
    return _judged(at, agent, wanted, existing) if existing else _requested(at, agent, name, wanted, reason, cause)


def _held(at: PlanContext, agent: str, name: str, wanted: Approvable) -> Wait | None:
    """Return why the action is held back in any mode: a human denied it, or without a policy it is unknown whether to ask."""
    if _denial_stands(at, agent, name):
        return _denied(agent, wanted)
    return None if at.policy else Wait(at.snapshot.policy_reason, at.snapshot.policy_refusal, None)


def _denial_stands(at: PlanContext, agent: str, name: str) -> bool:
    """Whether a human denied this situation, by an answer or by deleting the escalation. It holds in every mode."""
    existing = at.escalation(name)
    if existing is None:
        return name in at.agent_state(agent).asked
    return existing.decision is not None and existing.decision is not Decision.APPROVE


def _requested(at: PlanContext, agent: str, name: str, wanted: Approvable, reason: Reason, cause: str) -> AgentDecision:
    return AgentDecision((_request(at, agent, name, wanted, reason, cause),), hold=_waits(agent, name, wanted, None))


def _judged(at: PlanContext, agent: str, wanted: Approvable, existing: EscalationFacts) -> AgentDecision | None:
    if existing.decision is Decision.APPROVE:
        return None
    if not is_expired(at, existing):
        return AgentDecision(hold=_waits(agent, existing.name, wanted, existing))
    return None if _on_timeout(at, wanted) is OnTimeout.PROCEED else AgentDecision(hold=_denied(agent, wanted))


def is_expired(at: PlanContext, escalation: EscalationFacts) -> bool:
    """Whether nobody answered an approval in time."""
    return escalation.expires_at is not None and at.now >= escalation.expires_at


def phase(at: PlanContext, escalation: EscalationFacts) -> EscalationPhase:
    """Return the phase that an open approval should have now; a given one is resolved when its effect is observed."""
    state = at.agent_state(escalation.agent)
    ended = at.state is not None and at.state.stop is not None
    moved_on = ended or state.attempt > escalation.attempt or at.work_done(escalation.agent)
    if escalation.decision is Decision.DENY:
        return EscalationPhase.RESOLVED
    if escalation.decision is Decision.APPROVE:
        return EscalationPhase.RESOLVED if moved_on else EscalationPhase.ANSWERED
    if is_expired(at, escalation):
        return EscalationPhase.EXPIRED
    return EscalationPhase.SUPERSEDED if moved_on else EscalationPhase.OPEN


def _name(at: PlanContext, agent: str, wanted: Approvable, reason: Reason) -> str:
    run, state = at.snapshot.run, at.agent_state(agent)
    kind = EscalationType.APPROVAL
    return escalation_name(run.name, agent, run.uid, kind, state.attempt, wanted, reason, state.pod_uid)


def _on_timeout(at: PlanContext, wanted: Approvable) -> OnTimeout:
    if at.policy is None:
        return OnTimeout.HOLD
    after = at.policy.llm.on_approval_timeout
    return after.restart if wanted is Approvable.RESTART else after.stop_stale


def _request(at: PlanContext, agent: str, name: str, wanted: Approvable, reason: Reason, cause: str) -> CreateEscalation:
    seconds = at.policy.approval_timeout_seconds if at.policy else 0
    expires_at = later(at.floor, seconds)
    what = WHAT[wanted].format(agent=agent)
    then = "it is done" if _on_timeout(at, wanted) is OnTimeout.PROCEED else "it is not done"
    text = (
        f"The rules want to {what}: {reason.sentence}\n\nCause: {cause}\n\n"
        f"{consultation.without(at, agent, name)}"
        f"Approve carries it out if it is still due then; Deny keeps the current state until the evidence changes. "
        f"Without an answer by {expires_at:%Y-%m-%dT%H:%M:%SZ} {then} (llm.onApprovalTimeout)."
    )
    inquiry = Inquiry(
        name,
        f"{agent}: {what}? {reason}",
        text,
        expires_at,
        EscalationType.APPROVAL,
        options=OPTIONS,
        proposal=Proposal(action=approval_policy.WANTED[wanted], text=f"{what}: {reason.sentence}"),
        suggestion=consultation.suggestion(at, agent, name),
    )
    attempt = at.agent_state(agent).attempt
    return CreateEscalation(intent=Intent.REQUEST_APPROVAL, reason=reason, agent=agent, attempt=attempt, inquiry=inquiry)


def _remember(at: PlanContext, agent: str, existing: EscalationFacts, reason: Reason) -> RememberApproval:
    return RememberApproval(reason=reason, agent=agent, attempt=at.agent_state(agent).attempt, escalation=existing.name)


def _waits(agent: str, name: str, wanted: Approvable, existing: EscalationFacts | None) -> Wait:
    what = WHAT[wanted].format(agent=agent)
    return Wait(
        Reason.AWAITING_APPROVAL, f"approval is needed to {what}: escalation {name}", existing.expires_at if existing else None
    )


def _denied(agent: str, wanted: Approvable) -> Wait:
    return Wait(Reason.DENIED, f"no approval to {WHAT[wanted].format(agent=agent)}", None)
