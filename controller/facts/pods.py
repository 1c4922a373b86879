"""Pure: from objects as the API server gives them to the facts that the planner judges."""

from __future__ import annotations

from datetime import datetime

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
"""Stands before the cause in the kubelet's back-off message; without it both messages of one failing pull are the same."""


SAME_REASONS = {"ErrImagePull": "ImagePullBackOff"}
"""The kubelet alternates between these while it retries; one name keeps the status from flapping."""


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
        deleting="deletionTimestamp" in meta,
        forced=meta.get("deletionGracePeriodSeconds") == 0,
        deleted_at=_deleted_at(meta),
        grace_seconds=_grace(spec.get("terminationGracePeriodSeconds", DEFAULT_GRACE_SECONDS)),
        deletion_grace_seconds=min(meta.get("deletionGracePeriodSeconds") or 0, MAX_SECONDS),
        finalizers=tuple(meta.get("finalizers", ())),
        ending_since=_told_at(spec, annotations),
        disrupted_at=_since(status, "DisruptionTarget", "True"),
        waiting_reason=reason,
        waiting_message=_words(message),
        termination=_termination(container),
        reporting=any(c["name"] == REPORTER_CONTAINER for c in spec.get("initContainers", ())),
        last_report=_last_report(pod),
    )


def unreadable_pod(pod: JsonObject, why: str) -> PodFacts:
    """Return the facts of a pod that cannot be judged: it counts as at work until it is gone, so that none is started beside it."""
    meta = pod["metadata"]
    labels = meta.get("labels", {})
    attempt = labels.get(LABEL_ATTEMPT, "")
    return PodFacts(
        name=meta["name"],
        uid=meta["uid"],
        agent=labels.get(LABEL_AGENT, ""),
        attempt=int(attempt) if attempt.isdecimal() else -1,
        run_uid=controller_uid(pod),
        phase="Unknown",
        message=f"the operator cannot read this pod: {why}"[:MAX_TEXT],
        bound=True,
        deleting="deletionTimestamp" in meta,
        finalizers=tuple(meta.get("finalizers", ())),
    )


def claim_facts(claim: JsonObject) -> ClaimFacts:
    """Return what the planner may know of a workspace claim."""
    meta = claim["metadata"]
    agent = meta.get("labels", {}).get(LABEL_AGENT, "")
    return ClaimFacts(agent, controller_uid(claim), "deletionTimestamp" in meta)


def escalation_facts(escalation: JsonObject) -> EscalationFacts:
    """Return what the planner may know of an escalation. Its agent and attempt are labels that the operator set."""
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
    """Since when a pod's node has been lost, None where the node is ready. One that is gone was lost with its pod's readiness."""
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
    """Since when a condition has had a status, None where it has another."""
    condition = _condition(status, kind)
    return parse_time(condition.get("lastTransitionTime")) if condition.get("status") == wanted else None


def _unready_since(spec: JsonObject, status: JsonObject, container: JsonObject) -> datetime | None:
    """Since when a running agent that was ready once has failed its readiness probe.

    One that was never ready yet starts slowly: its condition has not changed since before the container ran.
    """
    running = parse_time(container.get("state", {}).get("running", {}).get("startedAt"))
    since = _since(status, "Ready", "False")
    probed = "readinessProbe" in judged_container(spec)
    if not (probed and running and since) or container.get("ready"):
        return None
    return since if since > running else None


def _phase(status: JsonObject, container: JsonObject) -> str:
    """The pod's phase; it counts as running until the kubelet has said how the agent ended, too.

    At a deadline the kubelet may say Failed first and give the exit code in a later write, seconds after (seen on 1.34): judged in
    between, work that was finished just before would be taken for interrupted, and started again. A pod whose node is lost at that
    very moment is deleted like any that is deaf to its deadline.
    """
    phase = str(status.get("phase", "Pending"))
    unsaid = status.get("reason") == DEADLINE_EXCEEDED and "running" in container.get("state", {})
    return "Running" if phase == "Failed" and unsaid else phase


DEADLINE_EXCEEDED = "DeadlineExceeded"
"""The kubelet's reason for a pod that it ended at its activeDeadlineSeconds, as we end pods."""


def _waiting(status: JsonObject, container: JsonObject) -> tuple[str, str]:
    """What the pod waits for: an init container, the judged container, or the scheduler; in their words."""
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
    """When the deletion was asked for: the deletionTimestamp lies a grace period after that.

    When the kubelet has ended the containers it deletes once more, with a grace of 0, and for a pod with finalizers that moves the
    timestamp to that moment (seen on 1.34; `markAsDeleting` in apiserver's registry). What ended shortly before it was asked to.
    """
    stamp = parse_time(meta.get("deletionTimestamp"))
    if stamp is None:
        return None
    return earlier(stamp, meta.get("deletionGracePeriodSeconds") or KUBELET_CLEANUP_SECONDS)


def _grace(seconds: int) -> int:
    """A pod's own grace period, within what a template may ask for: pods of former versions, or of others, name any number."""
    return min(max(seconds, 1), MAX_GRACE_SECONDS)


KUBELET_CLEANUP_SECONDS = 30
"""How long a kubelet may take between the end of a deleted pod's containers and its own, final deletion."""


ENDING_DEADLINE_SECONDS = 1
"""The smallest activeDeadlineSeconds, which ends a pod: the kubelet sends TERM at once, keeps the grace period, then KILL."""


def _told_at(spec: JsonObject, annotations: JsonObject) -> datetime | None:
    """When the operator told the pod to end: anybody may write the annotation, but a deadline is never taken back."""
    ending_by_deadline = spec.get("activeDeadlineSeconds") == ENDING_DEADLINE_SECONDS
    return _tolerant_time(annotations.get(ANNOTATION_ENDING_AT)) if ending_by_deadline else None


def _tolerant_time(text: str | None) -> datetime | None:
    """An annotation can be edited by anybody who may edit pods: a text that is no time counts as none."""
    try:
        moment = parse_time(text)
    except ValueError:
        return None
    return moment if moment and moment.tzinfo else None


def _words(text: str) -> str:
    """Words of a kubelet as they are recorded: an agent's last ones may be among them, with whatever secret it printed."""
    return recorded(text[:READ_LIMIT])[:MAX_TEXT]


READ_LIMIT = 8192
"""Characters of a message that are looked at: twice what a kubelet takes of an agent's last words."""


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
