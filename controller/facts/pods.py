"""Pure: converts objects from the API server to the facts that the planner judges."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from controller.api.base import MAX_SECONDS, MAX_TEXT, JsonObject
from controller.api.escalation import Decision, EscalationPhase, EscalationType
from controller.api.names import (
    ANNOTATION_ENDING_AT,
    GATE_ADMITTED,
    LABEL_AGENT,
    LABEL_ATTEMPT,
    LABEL_QUESTION,
    REPORTER_CONTAINER,
)
from controller.api.pod_template import judged_container
from controller.api.redaction import recorded
from controller.api.template import MAX_GRACE_SECONDS
from controller.api.timestamps import earlier, parse_time
from controller.facts.reports import last_report as _last_report
from controller.plan.snapshot import ClaimFacts, EscalationFacts, PodFacts, Termination

DEFAULT_GRACE_SECONDS = 30
"""Kubernetes' default for a pod's terminationGracePeriodSeconds."""

PULL_PREFIX = "ErrImagePull: "
"""Prefix of the cause in the kubelet's back-off message. Without it, both messages of one failing pull are equal."""


SAME_REASONS = {"ErrImagePull": "ImagePullBackOff"}
"""Waiting reasons between which the kubelet alternates while it retries; one name keeps the status from flapping."""


def controller_uid(obj: JsonObject) -> str:
    """Return the UID of the object's controlling owner, or an empty string."""
    owners = obj["metadata"].get("ownerReferences", ())
    return next((owner["uid"] for owner in owners if owner.get("controller")), "")


def pod_facts(pod: JsonObject) -> PodFacts:
    """Return the planner's facts of a pod. A pod that is not ours has no agent and no attempt."""
    meta, spec, status = pod["metadata"], pod["spec"], pod.get("status", {})
    annotations = meta.get("annotations", {})
    gates = [gate["name"] for gate in spec.get("schedulingGates", ())]
    container = _container_status(spec, status)
    reason, message = _waiting(status, container)
    return PodFacts(
        **_identity(pod),
        phase=_phase(status, container),
        reason=status.get("reason", ""),
        message=_words(status.get("message", "")),
        gated=GATE_ADMITTED in gates,
        foreign_gates=tuple(gate for gate in gates if gate != GATE_ADMITTED),
        created_at=parse_time(meta.get("creationTimestamp")),
        bound=bool(spec.get("nodeName")),
        node=spec.get("nodeName", ""),
        scheduled_at=_since(status, "PodScheduled", "True"),
        started_at=parse_time(container.get("state", {}).get("running", {}).get("startedAt")),
        ready=_condition(status, "Ready").get("status") == "True",
        unready_since=_unready_since(spec, status, container),
        forced=meta.get("deletionGracePeriodSeconds") == 0,
        deleted_at=_deleted_at(meta),
        grace_seconds=_grace(spec.get("terminationGracePeriodSeconds", DEFAULT_GRACE_SECONDS)),
        deletion_grace_seconds=min(meta.get("deletionGracePeriodSeconds") or 0, MAX_SECONDS),
        ending_since=_ending_since(spec, annotations),
        disrupted_at=_since(status, "DisruptionTarget", "True"),
        waiting_reason=reason,
        waiting_message=_words(message),
        termination=_termination(container),
        reporting=any(c["name"] == REPORTER_CONTAINER for c in spec.get("initContainers", ())),
        last_report=_last_report(pod),
    )


def unreadable_pod(pod: JsonObject, why: str) -> PodFacts:
    """Return the facts of an unreadable pod. It counts as running until it is gone, so that no second pod is started."""
    message = f"the operator cannot read this pod: {why}"[:MAX_TEXT]
    return PodFacts(**_identity(pod), phase="Unknown", message=message, bound=True)


def _identity(pod: JsonObject) -> dict[str, Any]:
    """Return the facts that only need a pod's metadata."""
    meta = pod["metadata"]
    labels = meta.get("labels", {})
    attempt = labels.get(LABEL_ATTEMPT, "")
    return {
        "name": meta["name"],
        "uid": meta["uid"],
        "agent": labels.get(LABEL_AGENT, ""),
        "attempt": int(attempt) if attempt.isdecimal() else -1,
        "run_uid": controller_uid(pod),
        "deleting": "deletionTimestamp" in meta,
        "finalizers": tuple(meta.get("finalizers", ())),
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
    ready = _condition(node.get("status", {}), "Ready")
    return None if ready.get("status") == "True" else parse_time(ready.get("lastTransitionTime")) or pod.created_at


def _container_status(spec: JsonObject, status: JsonObject) -> JsonObject:
    name = judged_container(spec)["name"]
    return next((c for c in status.get("containerStatuses", ()) if c["name"] == name), {})


def _condition(status: JsonObject, kind: str) -> JsonObject:
    return next((c for c in status.get("conditions", ()) if c["type"] == kind), {})


def _since(status: JsonObject, kind: str, wanted: str) -> datetime | None:
    """Return since when a condition has had the wanted status; None if it has another one."""
    condition = _condition(status, kind)
    return parse_time(condition.get("lastTransitionTime")) if condition.get("status") == wanted else None


def _unready_since(spec: JsonObject, status: JsonObject, container: JsonObject) -> datetime | None:
    """Return since when a running agent that was once ready has failed its readiness probe.

    An agent that was never ready starts slowly: its condition has not changed since before the container ran.
    """
    running = parse_time(container.get("state", {}).get("running", {}).get("startedAt"))
    since = _since(status, "Ready", "False")
    probed = "readinessProbe" in judged_container(spec)
    if not (probed and running and since) or container.get("ready"):
        return None
    return since if since > running else None


def _phase(status: JsonObject, container: JsonObject) -> str:
    """Return the pod's phase. A failed pod counts as running until the kubelet also reports how the agent ended.

    At a deadline the kubelet may write Failed first and the exit code seconds later (observed on 1.34). A judgement in between
    would take finished work for interrupted work and start it again. If the pod's node is lost at that moment, the pod is deleted
    like any pod that ignores its deadline.
    """
    phase = str(status.get("phase", "Pending"))
    unsaid = status.get("reason") == DEADLINE_EXCEEDED and "running" in container.get("state", {})
    return "Running" if phase == "Failed" and unsaid else phase


DEADLINE_EXCEEDED = "DeadlineExceeded"
"""The kubelet's reason for a pod that it ended at its activeDeadlineSeconds, which is how the operator ends pods."""


def _waiting(status: JsonObject, container: JsonObject) -> tuple[str, str]:
    """Return the reason and message of what the pod waits for: an init container, the judged container or the scheduler."""
    states = [c.get("state", {}) for c in status.get("initContainerStatuses", ())] + [container.get("state", {})]
    for state in states:
        waiting = state.get("waiting")
        if waiting and waiting.get("reason"):
            reason = SAME_REASONS.get(waiting["reason"], waiting["reason"])
            return reason, waiting.get("message", "").rpartition(PULL_PREFIX)[2]
    for condition in status.get("conditions", ()):
        if condition["type"] == "PodScheduled" and condition.get("reason") == "Unschedulable":
            return "Unschedulable", condition.get("message", "")
    return "", ""


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


def _tolerant_time(text: str | None) -> datetime | None:
    """Return an annotation's time; None for a text that is not a time, since users who may edit pods can write any text."""
    try:
        moment = parse_time(text)
    except ValueError:
        return None
    return moment if moment and moment.tzinfo else None


def _words(text: str) -> str:
    """Return a kubelet's text as it is recorded. It may contain the agent's last output, so secrets are redacted."""
    return recorded(text[:READ_LIMIT])[:MAX_TEXT]


READ_LIMIT = 8192
"""Maximum characters of a message that are read: twice what a kubelet takes of a termination message."""


def _termination(container: JsonObject) -> Termination | None:
    ended = container.get("state", {}).get("terminated")
    if not ended:
        return None
    return Termination(
        exit_code=ended["exitCode"],
        reason=ended.get("reason", ""),
        message=_words(ended.get("message", "")),
        started_at=parse_time(ended.get("startedAt")),
        finished_at=parse_time(ended.get("finishedAt")),
    )
