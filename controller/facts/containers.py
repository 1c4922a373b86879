"""Pure: the facts of a pod that follow from its containers: the judged one, its init containers, and whether it ever ran."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from controller.api.base import MAX_TEXT, JsonObject
from controller.api.redaction import recorded
from controller.api.timestamps import parse_time
from controller.plan.snapshot import PodFacts, Termination

PULL_PREFIX = "ErrImagePull: "
"""Prefix of the cause in the kubelet's back-off message. Without it, both messages of one failing pull are equal."""

SAME_REASONS = {"ErrImagePull": "ImagePullBackOff"}
"""Waiting reasons between which the kubelet alternates while it retries; one name keeps the status from flapping."""

DEADLINE_EXCEEDED = "DeadlineExceeded"
"""The kubelet's reason for a pod that it ended at its activeDeadlineSeconds, which is how the operator ends pods."""


class ContainerFacts(NamedTuple):
    """The facts of a pod that depend on which of its containers is judged."""

    container: str
    started_at: datetime | None = None
    unready_since: datetime | None = None
    waiting_reason: str = ""
    waiting_message: str = ""
    termination: Termination | None = None

    def of(self, pod: PodFacts) -> PodFacts:
        """Return a pod's facts with this container as the judged one."""
        return replace(pod, **self._asdict())


def without_agent(pod: PodFacts, container: str) -> PodFacts:
    """Return the facts of a pod that lacks the judged container: admission has renamed or removed it."""
    return replace(ContainerFacts(container).of(pod), without_agent=True)


def container_facts(pod: JsonObject, container: JsonObject) -> ContainerFacts:
    """Return the facts of one of the containers in a pod's spec."""
    spec, status, name = pod["spec"], pod.get("status", {}), container["name"]
    found: JsonObject = next((c for c in status.get("containerStatuses", ()) if c["name"] == name), {})
    reason, message = _waiting(status, found)
    return ContainerFacts(
        container=name,
        started_at=_running_since(found),
        unready_since=_unready_since(container, status, found),
        waiting_reason=reason,
        waiting_message=words(message),
        termination=_termination(found) if is_over(status) or _is_final(spec, container) else None,
    )


def condition(status: JsonObject, kind: str) -> JsonObject:
    """Return a pod's or node's condition; empty without one."""
    return next((c for c in status.get("conditions", ()) if c["type"] == kind), {})


def since(status: JsonObject, kind: str, wanted: str) -> datetime | None:
    """Return since when a condition has had the wanted status; None if it has another one."""
    found = condition(status, kind)
    return parse_time(found.get("lastTransitionTime")) if found.get("status") == wanted else None


def words(text: str) -> str:
    """Return a kubelet's text as it is recorded. It may contain the agent's last output, so secrets are redacted."""
    return recorded(text[:READ_LIMIT])[:MAX_TEXT]


READ_LIMIT = 8192
"""Maximum characters of a message that are read: twice what a kubelet takes of a termination message."""


def phase(status: JsonObject) -> str:
    """Return the pod's phase. A failed pod counts as running until the kubelet also reports how its containers ended.

    At a deadline the kubelet may write Failed first and the exit codes seconds later (observed on 1.34). A judgement in between
    would take finished work for interrupted work and start it again. If the pod's node is lost at that moment, the pod is deleted
    like any pod that ignores its deadline.
    """
    found = str(status.get("phase", "Pending"))
    unsaid = status.get("reason") == DEADLINE_EXCEEDED and any(map(_running_since, status.get("containerStatuses", ())))
    return "Running" if found == "Failed" and unsaid else found


def is_over(status: JsonObject) -> bool:
    """Whether the kubelet has reported the end of the whole pod."""
    return status.get("phase") in ("Succeeded", "Failed")


def init_termination(spec: JsonObject, status: JsonObject) -> Termination | None:
    """Return the end of the init container that failed a pod, None for another end. Native sidecars fail no pod."""
    if status.get("phase") != "Failed":
        return None
    restarted = {c["name"] for c in spec.get("initContainers", ()) if c.get("restartPolicy") == "Always"}
    for container in status.get("initContainerStatuses", ()):
        end = None if container["name"] in restarted else _termination(container)
        if end and end.exit_code:
            return replace(end, container=container["name"])
    return None


def is_rejected(status: JsonObject) -> bool:
    """Whether a kubelet refused the pod, with its reason: no container ever ran.

    The kubelet writes the reason of the check that failed, such as OutOfcpu or NodeAffinity (`rejectPod` in kubelet.go). There are
    more such reasons than any list has, so what counts is that nothing ran. Only the message distinguishes a pod that a node under
    pressure refused from one that it evicted.
    """
    reason, message = status.get("reason", ""), status.get("message", "")
    refused = status.get("phase") == "Failed" and reason not in ("", DEADLINE_EXCEEDED)
    if reason == "Evicted" and not message.startswith(REJECTED_WORDS):
        return False
    return refused and not any("running" in state or "terminated" in state for state in _states(status))


REJECTED_WORDS = ("Pod was rejected", "Pod The node had condition")
"""Beginnings of the kubelet's message about a rejected pod, from 1.27 on and before."""


def _states(status: JsonObject) -> Iterator[JsonObject]:
    for kind in ("initContainerStatuses", "containerStatuses"):
        for container in status.get(kind, ()):
            yield container.get("state", {})


def _running_since(container: JsonObject) -> datetime | None:
    return parse_time(container.get("state", {}).get("running", {}).get("startedAt"))


def _unready_since(container: JsonObject, status: JsonObject, found: JsonObject) -> datetime | None:
    """Return since when a running agent that was once ready has failed its readiness probe.

    An agent that was never ready starts slowly: its condition has not changed since before the container ran.
    """
    running, unready = _running_since(found), since(status, "Ready", "False")
    if not ("readinessProbe" in container and running and unready) or found.get("ready"):
        return None
    return unready if unready > running else None


def _waiting(status: JsonObject, container: JsonObject) -> tuple[str, str]:
    """Return the reason and message of what the pod waits for: an init container, the judged container or the scheduler."""
    states = [c.get("state", {}) for c in status.get("initContainerStatuses", ())] + [container.get("state", {})]
    for state in states:
        waiting = state.get("waiting")
        if waiting and waiting.get("reason"):
            reason = SAME_REASONS.get(waiting["reason"], waiting["reason"])
            return reason, waiting.get("message", "").rpartition(PULL_PREFIX)[2]
    for found in status.get("conditions", ()):
        if found["type"] == "PodScheduled" and found.get("reason") == "Unschedulable":
            return "Unschedulable", found.get("message", "")
    return "", ""


def _is_final(spec: JsonObject, container: JsonObject) -> bool:
    """Whether a container that has ended stays ended while its pod runs on.

    Agents' pods and containers have no restart policy but Never. Admission may give a container its own policy or rules, which
    newer kubelets follow (`restartPolicyRules`, whose RestartAllContainers concerns every container).
    """
    ruled = any(c.get("restartPolicyRules") for kind in ("containers", "initContainers") for c in spec.get(kind, ()))
    own = container.get("restartPolicy", spec.get("restartPolicy", "Never"))
    return own == "Never" and not ruled


def _termination(container: JsonObject) -> Termination | None:
    ended = container.get("state", {}).get("terminated")
    if not ended:
        return None
    return Termination(
        exit_code=ended["exitCode"],
        reason=ended.get("reason", ""),
        message=words(ended.get("message", "")),
        started_at=parse_time(ended.get("startedAt")),
        finished_at=parse_time(ended.get("finishedAt")),
    )
