"""Pure: an explanation as a document for programs."""

from __future__ import annotations

from controller.api.timestamps import format_time
from controller.cli.rw.explain_model import AgentSaid, Explanation
from controller.cli.rw.objects import JsonObject, name_of, namespace_of, phase_of


def document(found: Explanation) -> JsonObject:
    """Return the explanation for programs."""
    budget = found.budget
    return {
        "run": name_of(found.run),
        "namespace": namespace_of(found.run),
        "phase": phase_of(found.run),
        "reason": found.reason,
        "meaning": found.meaning,
        "message": found.message,
        "rule": found.rule,
        "ruleSays": found.rule_says,
        "agents": [_agent_document(agent) for agent in found.agents],
        "budget": {"used": budget.used, "budget": budget.budget, "left": budget.left, "policy": budget.policy, "sure": budget.sure},
        "tokens": found.tokens,
        "next": [{"at": format_time(check.at), "what": check.what} for check in found.checks],
        "changes": [{"command": list(change.words), "effect": change.effect} for change in found.changes],
        "inbox": [name_of(escalation) for escalation in found.inbox],
        "notes": list(found.notes),
    }


def _agent_document(agent: AgentSaid) -> JsonObject:
    moments = {"activeAt": agent.active_at, "progressAt": agent.progress_at, "reportedAt": agent.reported_at}
    document: JsonObject = {"name": agent.name, "required": agent.required, "health": agent.health, "attempt": agent.attempt}
    document |= {
        "reason": agent.reason,
        "meaning": agent.meaning,
        "message": agent.message,
        "rule": agent.rule,
        "advice": agent.advice,
    }
    return document | {key: format_time(moment) for key, moment in moments.items() if moment}
