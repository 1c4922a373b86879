"""Pure: an explanation as a document for programs."""

from __future__ import annotations

from controller.api.timestamps import format_time
from controller.cli.rw.explain_model import AgentExplanation, Explanation
from controller.cli.rw.objects import JsonObject, name_of, namespace_of, phase_of


def document(explanation: Explanation) -> JsonObject:
    """Return the explanation for programs."""
    budget = explanation.budget
    return {
        "run": name_of(explanation.run),
        "namespace": namespace_of(explanation.run),
        "phase": phase_of(explanation.run),
        "reason": explanation.reason,
        "meaning": explanation.meaning,
        "message": explanation.message,
        "rule": explanation.rule,
        "ruleSays": explanation.rule_says,
        "agents": [_agent_document(agent) for agent in explanation.agents],
        "budget": {"used": budget.used, "budget": budget.budget, "left": budget.left, "policy": budget.policy, "sure": budget.sure},
        "tokens": explanation.tokens,
        "next": [{"at": format_time(check.at), "what": check.what} for check in explanation.checks],
        "changes": [{"command": list(change.words), "effect": change.effect} for change in explanation.changes],
        "inbox": [name_of(escalation) for escalation in explanation.inbox],
        "notes": list(explanation.notes),
    }


def _agent_document(agent: AgentExplanation) -> JsonObject:
    moments = {"activeAt": agent.active_at, "progressAt": agent.progress_at, "reportedAt": agent.reported_at}
    document: JsonObject = {"name": agent.name, "required": agent.required, "health": agent.health, "attempt": agent.attempt}
    document |= {
        "reason": agent.reason,
        "meaning": agent.meaning,
        "message": agent.message,
        "rule": agent.rule,
        "advice": agent.advice,
    }
    document |= {"repeatedFailures": agent.repeated} if agent.repeated else {}
    tasks = {"source": agent.source, "verification": agent.verification, "publication": agent.publication}
    document |= {key: words for key, words in tasks.items() if words}
    return document | {key: format_time(moment) for key, moment in moments.items() if moment}
