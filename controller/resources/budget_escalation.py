"""Pure: builds the Escalation that asks for more of a budget."""

from __future__ import annotations

from controller.api.base import JsonObject, dump
from controller.api.budget import AskedExtra, Budget, WindowStatus
from controller.api.escalation import EscalationType
from controller.api.names import API_VERSION, LABEL_PROVIDER
from controller.api.policy import Responders
from controller.api.timestamps import format_time
from controller.plan.providers.budget_words import question
from controller.resources.escalation_builder import SUMMARY_LIMIT, TEXT_LIMIT


def build_budget_escalation(provider: JsonObject, budget: Budget, window: WindowStatus, asked: AskedExtra) -> JsonObject:
    """Return the escalation for a spent budget. It is deleted with the provider, whose metadata this gets.

    It names the provider where others name their Run, for readers that know no provider.
    """
    summary, text = question(provider["name"], budget, window, asked)
    owner = {"apiVersion": API_VERSION, "kind": "Provider", "name": provider["name"], "uid": provider["uid"], "controller": True}
    label = {LABEL_PROVIDER: provider["name"]} if len(provider["name"]) <= MAX_LABEL else {}
    return {
        "apiVersion": API_VERSION,
        "kind": "Escalation",
        "metadata": {
            "name": asked.escalation,
            "namespace": provider["namespace"],
            "labels": label,
            "ownerReferences": [owner],
        },
        "spec": {
            "runName": provider["name"],
            "runUID": provider["uid"],
            "type": EscalationType.BUDGET.value,
            "summary": summary[:SUMMARY_LIMIT],
            "text": text[:TEXT_LIMIT],
            "responders": dump(budget.responders or Responders()),
            "expiresAt": format_time(window.end),
        },
    }


MAX_LABEL = 63
"""Maximum characters of a label's value."""
