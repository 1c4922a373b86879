"""Pure: converts objects from the API server to the facts that the planner judges."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from controller.api.base import MAX_SECONDS, MAX_TEXT, JsonObject
from controller.api.escalation import Decision, EscalationPhase, EscalationType
from controller.api.names import (
    ANNOTATION_ENDING_AT,
    ANNOTATION_RESTARTED_AT,
    GATE_ADMITTED,
    LABEL_AGENT,
    LABEL_ATTEMPT,
    LABEL_QUESTION,
    REPORTER_CONTAINER,
    named_task,
)
from controller.api.pod_template import judged_container
from controller.api.template_values import MAX_GRACE_SECONDS
from controller.api.timestamps import earlier, later, parse_time
from controller.facts.containers import (
    DEADLINE_EXCEEDED,
    ContainerFacts,
    PodContainers,
    condition,
    init_termination,
    is_rejected,
    phase,
    since,
    source_revision,
    without_agent,
    words,
)
from controller.facts.reports import last_report as _last_report
from controller.facts.task_words import task_words
from controller.plan.snapshot import ClaimFacts, EscalationFacts, PodFacts

DEFAULT_GRACE_SECONDS = 30
"""Kubernetes' default for a pod's terminationGracePeriodSeconds."""


def controller_uid(obj: JsonObject) -> str:
    """Return the UID of the object's controlling owner, or an empty string."""
    owners = obj["metadata"].get("ownerReferences", ())
    return next((owner["uid"] for owner in owners if owner.get("controller")), "")


def pod_facts(pod: JsonObject, container: str = "") -> PodFacts:
    """Return the planner's facts of a pod, judged by the container of this name.

    The name comes from the Run's spec (`container_name`); without one the pod's own spec decides. A task's pod is judged by the
    container with the task's name. A pod that is not ours has no agent and no attempt.
    """
    facts, others = all_facts(pod)
    return judged_by(facts, others, container)


def judged_by(facts: PodFacts, others: tuple[ContainerFacts, ...], container: str) -> PodFacts:
    """Return a pod's facts with the container of this name as the judged one; `others` are those that the facts do not use.

    Nothing is known of the containers of an unreadable pod.
    """
    container = facts.task or container
    if not container or facts.container in ("", container):
        return facts
    found = next((other for other in others if other.container == container), None)
    return found.of(facts) if found else without_agent(facts, container)


def all_facts(pod: JsonObject) -> tuple[PodFacts, tuple[ContainerFacts, ...]]:
    """Return a pod's facts, judged by its own spec, and the facts of its other containers."""
    spec, own = pod["spec"], judged_container(pod["spec"])
    containers = PodContainers(spec, pod.get("status", {}))
    facts = containers.facts(own).of(_pod_facts(pod))
    return facts, tuple(containers.facts(other) for other in spec["containers"] if other is not own)


def _pod_facts(pod: JsonObject) -> PodFacts:
    """Return the facts that do not depend on which container is judged."""
    meta, spec, status = pod["metadata"], pod["spec"], pod.get("status", {})
    annotations = meta.get("annotations", {})
    gates = [gate["name"] for gate in spec.get("schedulingGates", ())]
    return PodFacts(
        **_identity(pod),
        phase=phase(status),
        reason=status.get("reason", ""),
        message=words(status.get("message", "")),
        gated=GATE_ADMITTED in gates,
        gate_index=gates.index(GATE_ADMITTED) if GATE_ADMITTED in gates else 0,
        foreign_gates=tuple(gate for gate in gates if gate != GATE_ADMITTED),
        created_at=parse_time(meta.get("creationTimestamp")),
        bound=bool(spec.get("nodeName")),
        node=spec.get("nodeName", ""),
        scheduled_at=since(status, "PodScheduled", "True"),
        ready=condition(status, "Ready").get("status") == "True",
        forced=meta.get("deletionGracePeriodSeconds") == 0,
        deleted_at=_deleted_at(meta),
        grace_seconds=_grace(spec.get("terminationGracePeriodSeconds", DEFAULT_GRACE_SECONDS)),
        deletion_grace_seconds=min(meta.get("deletionGracePeriodSeconds") or 0, MAX_SECONDS),
        ending_since=_ending_since(spec, annotations),
        deadline_at=_foreign_deadline(spec, status, annotations),
        disrupted_at=since(status, "DisruptionTarget", "True"),
        init_termination=init_termination(spec, status),
        rejected=is_rejected(status),
        reporting=any(c["name"] == REPORTER_CONTAINER for c in spec.get("initContainers", ())),
        last_report=_last_report(pod),
        restarted_at=parse_time(annotations.get(ANNOTATION_RESTARTED_AT)),
        source_revision=source_revision(status),
        **task_words(meta["name"], status),
    )


def unreadable_pod(pod: JsonObject, why: str) -> PodFacts:
    """Return the facts of an unreadable pod. It counts as running until it is gone, so that no second pod is started."""
    message = f"the operator cannot read this pod: {why}"[:MAX_TEXT]
    return PodFacts(**_identity(pod), phase="Unknown", message=message, bound=True)


def _identity(pod: JsonObject) -> dict[str, Any]:
    """Return the facts that only need a pod's metadata."""
    meta = pod["metadata"]
    labels = meta.get("labels", {})
    attempt, task = labels.get(LABEL_ATTEMPT, ""), named_task(meta["name"])
    return {
        "name": meta["name"],
        "uid": meta["uid"],
        "agent": labels.get(LABEL_AGENT, ""),
        "attempt": int(attempt) if attempt.isdecimal() else -1,
        "run_uid": controller_uid(pod),
        "deleting": "deletionTimestamp" in meta,
        "finalizers": tuple(meta.get("finalizers", ())),
        "task": task.label if task else "",
        "task_number": task.number if task else 0,
    }


def claim_facts(claim: JsonObject) -> ClaimFacts:
    """Return the planner's facts of a workspace claim."""
    meta = claim["metadata"]
    agent = meta.get("labels", {}).get(LABEL_AGENT, "")
    return ClaimFacts(agent, controller_uid(claim), "deletionTimestamp" in meta)


def escalation_facts(escalation: JsonObject) -> EscalationFacts:
    """Return the planner's facts of an escalation. Its agent and attempt are labels that the operator set."""
    meta, spec = escalation["metadata"], escalation["spec"]
    attempt = meta.get("labels", {}).get(LABEL_ATTEMPT, "")
    response, phase = spec.get("response") or {}, escalation.get("status", {}).get("phase")
    return EscalationFacts(
        name=meta["name"],
        uid=meta["uid"],
        run_uid=spec["runUID"],
        agent=spec.get("agent", ""),
        attempt=int(attempt) if attempt.isdecimal() else -1,
        phase=EscalationPhase(phase) if phase else None,
        decision=Decision(response["decision"]) if response else None,
        by=response.get("by", ""),
        type=EscalationType(spec["type"]),
        question=meta.get("labels", {}).get(LABEL_QUESTION, ""),
        answer=response.get("answer", ""),
        expires_at=parse_time(spec.get("expiresAt")),
        delivered_at=parse_time(escalation.get("status", {}).get("deliveredAt")),
        answerable="responders" in spec or "responders" in escalation.get("status", {}),
    )


def node_lost_since(node: JsonObject | None, pod: PodFacts) -> datetime | None:
    """Return since when a pod's node has been lost; None if the node is ready. A deleted node is lost since its pod became
    unready.
    """
    if node is None:
        return pod.unready_since or pod.scheduled_at or pod.created_at
    ready = condition(node.get("status", {}), "Ready")
    return None if ready.get("status") == "True" else parse_time(ready.get("lastTransitionTime")) or pod.created_at


def _deleted_at(meta: JsonObject) -> datetime | None:
    """Return when the deletion was requested: one grace period before the deletionTimestamp.

    After the containers have ended, the kubelet deletes the pod once more with a grace period of 0. For a pod with finalizers that
    moves the timestamp to that moment (observed on 1.34; `markAsDeleting` in apiserver's registry). A container that ended shortly
    before that moment ended after the request.
    """
    stamp = parse_time(meta.get("deletionTimestamp"))
    if stamp is None:
        return None
    return earlier(stamp, meta.get("deletionGracePeriodSeconds") or KUBELET_CLEANUP_SECONDS)


def _grace(seconds: int) -> int:
    """Return a pod's grace period, limited to a template's maximum: pods of former versions or of other owners have any number."""
    return min(max(seconds, 1), MAX_GRACE_SECONDS)


KUBELET_CLEANUP_SECONDS = 30
"""Maximum time between the end of a deleted pod's containers and the kubelet's final deletion."""


ENDING_DEADLINE_SECONDS = 1
"""The smallest activeDeadlineSeconds. It ends a pod: the kubelet sends TERM at once, waits the grace period, then sends KILL."""


def _ending_since(spec: JsonObject, annotations: JsonObject) -> datetime | None:
    """Return when the operator ended the pod. Any writer may forge the annotation, so it counts only with the irrevocable
    deadline.
    """
    ending_by_deadline = spec.get("activeDeadlineSeconds") == ENDING_DEADLINE_SECONDS
    return _tolerant_time(annotations.get(ANNOTATION_ENDING_AT)) if ending_by_deadline else None


def _foreign_deadline(spec: JsonObject, status: JsonObject, annotations: JsonObject) -> datetime | None:
    """Return when the activeDeadlineSeconds that ended the pod were over; None for another end, or if the operator set them."""
    started, seconds = parse_time(status.get("startTime")), spec.get("activeDeadlineSeconds")
    if status.get("reason") != DEADLINE_EXCEEDED or started is None or seconds is None or _ending_since(spec, annotations):
        return None
    return later(started, seconds)


def _tolerant_time(text: str | None) -> datetime | None:
    """Return an annotation's time; None for a text that is not a time, since users who may edit pods can write any text."""
    try:
        moment = parse_time(text)
    except ValueError:
        return None
    return moment if moment and moment.tzinfo else None
