"""Creates escalations under their deterministic names, and writes their phases."""

from __future__ import annotations

from dataclasses import replace

from controller.api.base import JsonObject, dump
from controller.api.escalation import EscalationPhase
from controller.api.names import LABEL_RUN_UID
from controller.api.notification import NotificationEvent
from controller.api.timestamps import format_time, parse_time
from controller.facts.pods import escalation_facts
from controller.kube.errors import AlreadyExists, NotFound
from controller.kube.resources import ESCALATIONS
from controller.notify.message import opened, places_for
from controller.plan.actions import CreateEscalation, SetEscalationPhase
from controller.plan.snapshot import EscalationFacts, Snapshot
from controller.reconcile.actions.dependencies import Tools
from controller.resources.escalation_builder import build_escalation


async def create_escalation(tools: Tools, snapshot: Snapshot, action: CreateEscalation) -> Snapshot:
    """Create the escalation, or get the one that a former attempt created."""
    responders = snapshot.policy.spec.responders if snapshot.policy else None
    body = build_escalation(snapshot.run, action, responders)
    namespace = snapshot.run.namespace
    try:
        found = await tools.client.create(ESCALATIONS, namespace, body)
    except AlreadyExists:
        found = await tools.client.get(ESCALATIONS, namespace, action.escalation)
    return _with(tools, snapshot, found)


async def set_phase(tools: Tools, snapshot: Snapshot, action: SetEscalationPhase) -> Snapshot:
    """Write the escalation's phase over the version that it was judged by. Raises Conflict where it has changed since.

    The replica that wins the write which opens it notifies people, so that this happens at most once.

    An escalation that was deleted meanwhile is dismissed; one whose answer has come meanwhile is judged again.
    """
    namespace = snapshot.run.namespace
    try:
        found = await tools.client.get(ESCALATIONS, namespace, action.escalation)
        judged = next(e for e in snapshot.escalations if e.name == action.escalation)
        if escalation_facts(found) == judged:
            opens = action.escalation_phase is EscalationPhase.OPEN and (judged.phase is None or not judged.answerable)
            places = places_for(snapshot.policy, NotificationEvent.ESCALATION_OPENED) if opens else ()
            now = format_time(tools.now())
            before = found.get("status", {}) | (_appointed(snapshot) if opens and not judged.answerable else {})
            found["status"] = _status(before, action.escalation_phase, now, announced=bool(places))
            found = await tools.client.replace(ESCALATIONS, namespace, action.escalation, found, subresource="status")
            _count_wait(tools, snapshot, judged, found)
            if places:
                tools.send_message(opened(found), places)
    except NotFound:
        return replace(snapshot, escalations=tuple(e for e in snapshot.escalations if e.name != action.escalation))
    return _with(tools, snapshot, found)


def _count_wait(tools: Tools, snapshot: Snapshot, judged: EscalationFacts, found: JsonObject) -> None:
    """Count the time that an escalation was open, if the write that was just made ends it."""
    phase, created = found["status"]["phase"], parse_time(found["metadata"]["creationTimestamp"])
    if judged.phase in (None, EscalationPhase.OPEN) and phase != EscalationPhase.OPEN and created:
        policy = snapshot.policy.name if snapshot.policy else ""
        seconds = (tools.now() - created).total_seconds()
        tools.run_metrics.count_wait(snapshot.run.namespace, policy, judged.type.value, phase, seconds)


def _appointed(snapshot: Snapshot) -> JsonObject:
    """Return the responders of an escalation that was created without a policy: those of the policy in force now, if any."""
    return {"responders": dump(snapshot.policy.spec.responders)} if snapshot.policy else {}


def _status(before: JsonObject, phase: EscalationPhase, now: str, *, announced: bool) -> JsonObject:
    stamp = STAMPS.get(phase)
    notified = {"notifiedAt": now} if announced else {}
    return {**before, **({stamp: now} if stamp else {}), **notified, "phase": phase.value}


STAMPS = {EscalationPhase.ANSWERED: "answeredAt", EscalationPhase.DELIVERED: "deliveredAt"}
"""The status fields that hold the time of a phase."""


def _with(tools: Tools, snapshot: Snapshot, found: JsonObject) -> Snapshot:
    """Return the snapshot with the escalation from the API server's answer."""
    if LABEL_RUN_UID in found["metadata"].get("labels", {}):
        tools.cache.apply_escalation(found)
    facts = escalation_facts(found)
    return replace(snapshot, escalations=(*(e for e in snapshot.escalations if e.name != facts.name), facts))
