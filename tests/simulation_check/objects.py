"""Facts of the simulated world as a kubelet, a reporter and a person write them into real objects, and back."""

from __future__ import annotations

import json
from typing import Any

from controller.api.base import JsonObject
from controller.api.escalation import EscalationPhase, EscalationType
from controller.api.names import (
    API_VERSION,
    LABEL_AGENT,
    LABEL_ATTEMPT,
    LABEL_QUESTION,
    LABEL_RUN,
    LABEL_RUN_UID,
    REPORTER_CONTAINER,
    report_name,
)
from controller.api.timestamps import format_time
from controller.plan.snapshot import EscalationFacts, PodFacts, ReportFacts


def pod_status(pod: JsonObject, facts: PodFacts) -> JsonObject:
    """Return the status that a kubelet writes for a pod that has started or ended."""
    ended, started = facts.termination, facts.started_at
    waiting = {"reason": "ContainerCreating"}
    running = {"running": {"startedAt": format_time(started)}, "waiting": None} if started else {"waiting": waiting}
    over = {
        "running": None,
        "waiting": None,
        "terminated": {
            "exitCode": ended.exit_code,
            "reason": ended.reason,
            "startedAt": format_time(ended.started_at),
            "finishedAt": format_time(ended.finished_at),
        }
        if ended and ended.started_at and ended.finished_at
        else None,
    }
    state = over if ended else running
    containers = [_container(each["name"], state, ready=facts.ready) for each in pod["spec"]["containers"]]
    now = format_time(ended.finished_at) if ended and ended.finished_at else format_time(started) if started else None
    status: JsonObject = {
        "phase": facts.phase,
        "startTime": format_time(started) if started else None,
        "conditions": [{"type": "Ready", "status": str(facts.ready), "lastTransitionTime": now}],
        "containerStatuses": containers,
        "initContainerStatuses": [_reporter(each["name"], facts, running) for each in pod["spec"].get("initContainers", ())],
    }
    if facts.reason:
        status["reason"] = facts.reason
    return status


def _container(name: str, state: JsonObject, *, ready: bool) -> JsonObject:
    return {"name": name, "image": "x", "imageID": "", "restartCount": 0, "ready": ready, "started": ready, "state": state}


def _reporter(name: str, facts: PodFacts, running: JsonObject) -> JsonObject:
    """Return the status of an init container; the reporter's last report is its termination message."""
    if not (facts.termination and name == REPORTER_CONTAINER and facts.last_report):
        return _container(name, running, ready=True)
    last = facts.last_report
    ended = {
        "exitCode": 0,
        "reason": "Completed",
        "startedAt": format_time(facts.termination.started_at or last.reported_at),
        "finishedAt": format_time(last.reported_at),
        "message": json.dumps(report_status(last)),
    }
    return _container(name, {"terminated": ended, "running": None, "waiting": None}, ready=False)


def report_status(report: ReportFacts) -> JsonObject:
    """Return the status of the AgentReport that has these facts."""
    status: JsonObject = {
        "attempt": report.attempt,
        "podUID": report.pod_uid,
        "seq": report.seq,
        "intervalSeconds": report.interval_seconds,
        "activityAgeSeconds": round((report.reported_at - report.active_at).total_seconds()),
        "sources": list(report.sources),
        "progressEvents": report.progress_events,
        "questions": [{"id": q.id, "text": q.text, "options": list(q.options)} for q in report.questions],
        "delivered": list(report.delivered),
        "read": list(report.read),
        "parked": report.parked,
    }
    if report.progress_at is not None:
        status["progressAgeSeconds"] = round((report.reported_at - report.progress_at).total_seconds())
    if report.result is not None:
        status["result"] = {"outcome": report.result.outcome, "summary": "", "outputs": {}}
    return status


def report_object(run: str, uid: str, agent: str) -> JsonObject:
    """Return a new AgentReport, as a reporter creates it (`controller.reporter.agent_reports`)."""
    owner = {"apiVersion": API_VERSION, "kind": "Run", "name": run, "uid": uid, "controller": True}
    labels = {LABEL_RUN: run, LABEL_RUN_UID: uid, LABEL_AGENT: agent}
    metadata = {"name": report_name(run, agent), "labels": labels, "ownerReferences": [owner]}
    spec = {"runName": run, "runUID": uid, "agent": agent}
    return {"apiVersion": API_VERSION, "kind": "AgentReport", "metadata": metadata, "spec": spec}


def escalation_facts(found: JsonObject, before: EscalationFacts | None) -> EscalationFacts:
    """Return the facts of an escalation, with the decision that a person of the world has made."""
    meta, spec, phase = found["metadata"], found["spec"], found.get("status", {}).get("phase")
    labels: dict[str, Any] = meta.get("labels", {})
    return EscalationFacts(
        name=meta["name"],
        uid=meta["uid"],
        run_uid=spec["runUID"],
        agent=spec["agent"],
        attempt=int(labels[LABEL_ATTEMPT]),
        phase=EscalationPhase(phase) if phase else None,
        decision=before.decision if before else None,
        type=EscalationType(spec["type"]),
        question=labels.get(LABEL_QUESTION, ""),
    )
