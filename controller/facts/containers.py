"""Pure: the facts of a pod that follow from its containers: the judged one, its init containers, and whether it ever ran."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from controller.api.base import MAX_TEXT, JsonObject
from controller.api.names import SOURCE_CONTAINER
from controller.api.redaction import recorded
from controller.api.timestamps import parse_time
from controller.facts.waiting import Waits, preparing, unscheduled, unstarted, waiting
from controller.plan.snapshot import PodFacts, Termination

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


class PodContainers:
    """What the facts of each container of a pod have in common, read once: a pod may have thousands of containers."""

    def __init__(self, spec: JsonObject, status: JsonObject) -> None:
        self._statuses: dict[str, JsonObject] = {c["name"]: c for c in status.get("containerStatuses", ())}
        self._unready = since(status, "Ready", "False")
        self._preparing = preparing(spec, status)
        self._unstarted = unstarted(status)
        self._unscheduled = unscheduled(condition(status, "PodScheduled"))
        self._policy, self._over = spec.get("restartPolicy", "Never"), is_over(status)
        self._ruled = any(c.get("restartPolicyRules") for kind in ("containers", "initContainers") for c in spec.get(kind, ()))

    def facts(self, container: JsonObject) -> ContainerFacts:
        """Return the facts of one of the containers in the pod's spec."""
        name = container["name"]
        found = self._statuses.get(name, {})
        reason, message = self._waits_for(found.get("state", {})) or Waits()
        return ContainerFacts(
            container=name,
            started_at=_running_since(found),
            unready_since=self._unready_since(container, found),
            waiting_reason=reason,
            waiting_message=words(message),
            termination=_termination(found) if self._over or self._is_final(container) else None,
        )

    def _waits_for(self, state: JsonObject) -> Waits | None:
        """Return the reason and message of what keeps a container from running, or its pod from leaving Pending beside it."""
        if "running" in state or "terminated" in state:
            return self._unstarted
        return self._preparing or waiting(state) or self._unscheduled

    def _unready_since(self, container: JsonObject, found: JsonObject) -> datetime | None:
        """Return since when a running agent that was once ready has failed its readiness probe.

        An agent that was never ready starts slowly: its condition has not changed since before the container ran.
        """
        running = _running_since(found)
        if not ("readinessProbe" in container and running and self._unready) or found.get("ready"):
            return None
        return self._unready if self._unready > running else None

    def _is_final(self, container: JsonObject) -> bool:
        """Whether a container that has ended stays ended while its pod runs on.

        Agents' pods and containers have no restart policy but Never. Admission may give a container its own policy or rules, which
        newer kubelets follow (`restartPolicyRules`, whose RestartAllContainers concerns every container).
        """
        return container.get("restartPolicy", self._policy) == "Never" and not self._ruled


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


def source_revision(status: JsonObject) -> str:
    """Return the commit that the init container of the workspace's source has cloned or found, empty before that."""
    statuses = (c for c in status.get("initContainerStatuses", ()) if c["name"] == SOURCE_CONTAINER)
    ended = next((c.get("state", {}).get("terminated") or {} for c in statuses), {})
    found = CLONED.fullmatch(ended.get("message", "").strip()) if ended.get("exitCode") == 0 else None
    return found[1] if found else ""


CLONED = re.compile(r"revision ([0-9a-f]{40}|[0-9a-f]{64})")
"""The last words of images/git/rw-clone after a success."""


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
