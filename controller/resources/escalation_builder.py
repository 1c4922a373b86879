"""Pure: builds the Escalation that a human answers."""

from __future__ import annotations

from controller.api.base import JsonObject, dump
from controller.api.names import (
    API_VERSION,
    LABEL_AGENT,
    LABEL_ATTEMPT,
    LABEL_QUESTION,
    LABEL_RUN,
    LABEL_RUN_UID,
)
from controller.api.policy import Responders
from controller.plan.actions import CreateEscalation
from controller.plan.inquiries import Inquiry
from controller.plan.snapshot import RunFacts
from controller.resources.owner import owner_reference

SUMMARY_LIMIT, TEXT_LIMIT = 120, 16384
"""Maximum characters of an escalation's summary (a terminal's width) and text (the CRD's maximum)."""


def build_escalation(run: RunFacts, action: CreateEscalation, responders: Responders | None) -> JsonObject:
    """Return the escalation that an action creates. It is deleted with the Run. Without `responders` nobody may answer it yet."""
    inquiry = action.inquiry
    labels = {LABEL_RUN: run.name, LABEL_RUN_UID: run.uid, LABEL_AGENT: action.agent, LABEL_ATTEMPT: str(action.attempt)}
    if inquiry.question:
        labels[LABEL_QUESTION] = inquiry.question
    expiry = {"expiresAt": inquiry.expires_at.strftime("%Y-%m-%dT%H:%M:%SZ")} if inquiry.expires_at else {}
    return {
        "apiVersion": API_VERSION,
        "kind": "Escalation",
        "metadata": {"name": inquiry.name, "namespace": run.namespace, "labels": labels, "ownerReferences": [owner_reference(run)]},
        "spec": {
            "runName": run.name,
            "runUID": run.uid,
            "agent": action.agent,
            "type": inquiry.type.value,
            "summary": inquiry.summary[:SUMMARY_LIMIT],
            "text": inquiry.text[:TEXT_LIMIT],
            "options": [str(option) for option in inquiry.options],
            **({} if responders is None else {"responders": dump(responders)}),
            **_from_advisor(inquiry),
            **expiry,
        },
    }


def _from_advisor(inquiry: Inquiry) -> JsonObject:
    """Return the operator's proposal and the advisor's suggestion."""
    models = {"proposal": inquiry.proposal, "suggestion": inquiry.suggestion}
    return {key: dump(model) for key, model in models.items() if model is not None}
