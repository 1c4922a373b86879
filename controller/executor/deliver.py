"""Putting a human's answer where the agent's reporter finds it: into the spec of its report."""

from __future__ import annotations

from dataclasses import replace

from controller.api.agent_report import MAX_IDS
from controller.api.base import JsonObject
from controller.api.names import report_name
from controller.cluster.errors import NotFound
from controller.cluster.resources import AGENT_REPORTS
from controller.executor.tools import Tools
from controller.plan.model import Action
from controller.plan.snapshot import EscalationFacts, Snapshot
from controller.reported import report_facts


async def deliver(tools: Tools, snapshot: Snapshot, action: Action) -> Snapshot:
    """Add an answer to the report's deliveries, over the version that was read. Raises Conflict where it has changed since."""
    namespace, name = snapshot.run.namespace, report_name(snapshot.run.name, action.agent)
    answered = next(e for e in snapshot.escalations if e.name == action.escalation)
    others = tuple(report for report in snapshot.reports if report.agent != action.agent)
    try:
        report = await tools.client.get(AGENT_REPORTS, namespace, name)
        if report["spec"]["runUID"] == snapshot.run.uid:
            report = await tools.client.merge_patch(AGENT_REPORTS, namespace, name, _body(report, answered))
    except NotFound:
        return replace(snapshot, reports=others)
    tools.learn_report(report)
    facts = report_facts(report)
    return replace(snapshot, reports=(*others, facts) if facts else others)


def _body(report: JsonObject, answered: EscalationFacts) -> JsonObject:
    before = [d for d in report["spec"].get("deliveries", ()) if d["questionID"] != answered.question]
    said = {"questionID": answered.question, "answer": answered.answer, "by": answered.by}
    version = {"resourceVersion": report["metadata"]["resourceVersion"]}
    return {"metadata": version, "spec": {"deliveries": [*before, said][-MAX_IDS:]}}
