"""Delivers an answer or a dismissal to the agent: into the spec of its report, which the reporter watches."""

from __future__ import annotations

from dataclasses import replace

from controller.api.agent_report import MAX_IDS
from controller.api.base import JsonObject
from controller.api.names import report_name
from controller.kube.errors import NotFound
from controller.kube.resources import AGENT_REPORTS
from controller.plan.actions import DeliverAnswer
from controller.plan.snapshot import EscalationFacts, Snapshot
from controller.reconcile.actions.dependencies import Tools


async def deliver(tools: Tools, snapshot: Snapshot, action: DeliverAnswer) -> Snapshot:
    """Add the answer or dismissal to the report's deliveries, over the version that was read.

    Raises Conflict where it has changed.
    """
    namespace, name = snapshot.run.namespace, report_name(snapshot.run.name, action.agent)
    settled = next((e for e in snapshot.escalations if e.name == action.escalation), None)
    others = tuple(report for report in snapshot.reports if report.agent != action.agent)
    try:
        report = await tools.client.get(AGENT_REPORTS, namespace, name)
        if report["spec"]["runUID"] == snapshot.run.uid:
            report = await tools.client.merge_patch(AGENT_REPORTS, namespace, name, delivery_body(report, action.question, settled))
    except NotFound:
        return replace(snapshot, reports=others)
    facts = tools.cache.apply_report(report, snapshot.run.key)
    return replace(snapshot, reports=(*others, facts) if facts else others)


NO_ANSWER = "(dismissed: nobody will answer this question)"
"""The text that a reporter without support for dismissals writes for its agent."""


def delivery_body(report: JsonObject, question: str, answered: EscalationFacts | None) -> JsonObject:
    """Return the patch. A question whose escalation no longer exists was dismissed."""
    before = [d for d in report["spec"].get("deliveries", ()) if d["questionID"] != question]
    delivery = {"answer": answered.answer, "by": answered.by} if answered else {"answer": NO_ANSWER, "dismissed": True}
    delivery["questionID"] = question
    version = {"resourceVersion": report["metadata"]["resourceVersion"]}
    return {"metadata": version, "spec": {"deliveries": [*before, delivery][-MAX_IDS:]}}
