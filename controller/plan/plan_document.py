"""Plans and actions as plain JSON, as `runwatchman plan` prints them and the ledger keeps them."""

from __future__ import annotations

from dataclasses import fields

from pydantic.alias_generators import to_camel

from controller.api.base import JsonObject, dump
from controller.plan.actions import Action, BlockAgent, Consult, CreateEscalation, RecordAdvice, RememberQuestion
from controller.plan.model import AgentView, Plan


def write_plan(plan: Plan) -> JsonObject:
    """Return a plan for people and programs; empty fields are omitted."""
    verdict = plan.verdict
    document = {
        "rule": plan.rule,
        "phase": verdict.phase.value,
        "reason": verdict.reason.value,
        "message": verdict.message,
        "actions": [write_action(action) for action in verdict.actions],
        "withheld": [write_action(action) for action in plan.withheld],
        "agents": [_full({shown: str(getattr(view, name)) for name, shown in VIEW_FIELDS.items()}) for view in plan.agents],
        "nextCheck": verdict.next_check.isoformat() if verdict.next_check else "",
        "digest": plan.digest,
    }
    return _full(document)


def write_action(action: Action) -> JsonObject:
    """Return one action as plain JSON; empty fields are omitted."""
    values = {shown: getattr(action, name, None) for name, shown in ACTION_FIELDS.items()}
    plain: JsonObject = {key: value if isinstance(value, int) else str(value) for key, value in values.items() if value is not None}
    if not action.agent:
        del plain["attempt"]
    match action:
        case CreateEscalation() | RememberQuestion() | BlockAgent():
            suggestion = action.inquiry.suggestion
            plain |= {"text": action.inquiry.text, "suggestion": suggestion.text if suggestion else ""}
        case Consult():
            plain["wanted"] = action.consultation.wanted.value
        case RecordAdvice():
            plain["advice"] = dump(action.advice)
    return _full(plain)


VIEW_FIELDS = {each.name: to_camel(each.name) for each in fields(AgentView)}
"""Fields of an agent's view, and their names in a document."""
ACTION_FIELDS = {
    name: to_camel(name)
    for name in (
        *("intent", "step", "reason", "agent", "attempt", "pod", "pod_uid", "phase", "message", "charge"),
        *("escalation", "escalation_phase", "question", "grace_seconds"),
    )
}
"""Fields of actions that a document shows unchanged, in order, and their names there. No action has all of them."""


def _full(document: JsonObject) -> JsonObject:
    return {key: value for key, value in document.items() if value not in ("", None, [], ())}
