"""Pure: from objects as the API server gives them to the facts that the planner judges."""

from __future__ import annotations

from datetime import datetime, timedelta

from controller.api.base import JsonObject
from controller.api.names import (
    ANNOTATION_ENDING_AT,
    GATE_ADMITTED,
    LABEL_AGENT,
    LABEL_ATTEMPT,
)
from controller.builders import judged_container
from controller.plan.model import ClaimFacts, PodFacts, Termination

DEFAULT_GRACE_SECONDS = 30
"""Kubernetes' default for a pod's terminationGracePeriodSeconds."""

MESSAGE_LIMIT = 1024
"""Characters of a kubelet's or scheduler's message that are looked at."""

PULL_PREFIX = "ErrImagePull: "
"""Stands before the cause in the kubelet's back-off message; without it both messages of one failing pull are the same."""


def parse_time(text: str | None) -> datetime | None:
    """Return an RFC 3339 time as an aware datetime, None for none.

    Raises ValueError for a text that is no time.
    """
    return datetime.fromisoformat(text) if text else None


def controller_uid(obj: JsonObject) -> str:
    """Return the UID of the object's controlling owner, empty where it has none."""
    owners = obj["metadata"].get("ownerReferences", ())
    return next((owner["uid"] for owner in owners if owner.get("controller")), "")


def pod_facts(pod: JsonObject) -> PodFacts:
    """Return what the planner may know of a pod; a pod that is not one of ours has no agent and no attempt."""
    meta, spec, status = pod["metadata"], pod["spec"], pod.get("status", {})
    labels, annotations = meta.get("labels", {}), meta.get("annotations", {})
    gates = [gate["name"] for gate in spec.get("schedulingGates", ())]
    container = _container_status(spec, status)
    reason, message = _waiting(status, container)
    attempt = labels.get(LABEL_ATTEMPT, "")
    return PodFacts(
        name=meta["name"],
        uid=meta["uid"],
        agent=labels.get(LABEL_AGENT, ""),
        attempt=int(attempt) if attempt.isdecimal() else -1,
        run_uid=controller_uid(pod),
        phase=status.get("phase", "Pending"),
        reason=status.get("reason", ""),
        message=status.get("message", "")[:MESSAGE_LIMIT],
        gated=GATE_ADMITTED in gates,
        foreign_gates=tuple(gate for gate in gates if gate != GATE_ADMITTED),
        bound=bool(spec.get("nodeName")),
        ready=_condition(status, "Ready") == "True",
        deleting="deletionTimestamp" in meta,
        deleted_at=_deleted_at(meta),
        grace_seconds=spec.get("terminationGracePeriodSeconds", DEFAULT_GRACE_SECONDS),
        finalizers=tuple(meta.get("finalizers", ())),
        ending_since=_tolerant_time(annotations.get(ANNOTATION_ENDING_AT)),
        disrupted=_condition(status, "DisruptionTarget") == "True",
        waiting_reason=reason,
        waiting_message=message[:MESSAGE_LIMIT],
        termination=_termination(container),
    )


def claim_facts(claim: JsonObject) -> ClaimFacts:
    """Return what the planner may know of a workspace claim."""
    meta = claim["metadata"]
    agent = meta.get("labels", {}).get(LABEL_AGENT, "")
    return ClaimFacts(agent, controller_uid(claim), "deletionTimestamp" in meta)


def _container_status(spec: JsonObject, status: JsonObject) -> JsonObject:
    name = judged_container(spec)["name"]
    return next((c for c in status.get("containerStatuses", ()) if c["name"] == name), {})


def _condition(status: JsonObject, kind: str) -> str:
    return next((c["status"] for c in status.get("conditions", ()) if c["type"] == kind), "")


def _waiting(status: JsonObject, container: JsonObject) -> tuple[str, str]:
    """What the pod waits for: an init container, the judged container, or the scheduler; in their words."""
    states = [c.get("state", {}) for c in status.get("initContainerStatuses", ())] + [container.get("state", {})]
    for state in states:
        waiting = state.get("waiting")
        if waiting and waiting.get("reason"):
            return waiting["reason"], waiting.get("message", "").rpartition(PULL_PREFIX)[2]
    for condition in status.get("conditions", ()):
        if condition["type"] == "PodScheduled" and condition.get("reason") == "Unschedulable":
            return "Unschedulable", condition.get("message", "")
    return "", ""


def _deleted_at(meta: JsonObject) -> datetime | None:
    """When the deletion was asked for: the deletionTimestamp lies a grace period after that."""
    stamp = parse_time(meta.get("deletionTimestamp"))
    return stamp - timedelta(seconds=meta.get("deletionGracePeriodSeconds") or 0) if stamp else None


def _tolerant_time(text: str | None) -> datetime | None:
    """An annotation can be edited by anybody who may edit pods: a text that is no time counts as none."""
    try:
        moment = parse_time(text)
    except ValueError:
        return None
    return moment if moment and moment.tzinfo else None


def _termination(container: JsonObject) -> Termination | None:
    ended = container.get("state", {}).get("terminated")
    if not ended:
        return None
    return Termination(
        exit_code=ended["exitCode"],
        reason=ended.get("reason", ""),
        message=ended.get("message", "")[:MESSAGE_LIMIT],
        finished_at=parse_time(ended.get("finishedAt")),
    )
