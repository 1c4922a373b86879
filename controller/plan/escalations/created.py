"""The escalation that an action creates, for those who follow a plan without a cluster."""

from __future__ import annotations

from controller.api.escalation import EscalationPhase
from controller.plan.actions import CreateEscalation
from controller.plan.snapshot import EscalationFacts


def created(action: CreateEscalation, run_uid: str, phase: EscalationPhase | None = None) -> EscalationFacts:
    """Return the facts of the new escalation. Its phase is None until the operator sets it; its UID is its name."""
    inquiry = action.inquiry
    return EscalationFacts(
        name=inquiry.name,
        uid=inquiry.name,
        run_uid=run_uid,
        agent=action.agent,
        attempt=action.attempt,
        phase=phase,
        type=inquiry.type,
        question=inquiry.question,
        expires_at=inquiry.expires_at,
    )
