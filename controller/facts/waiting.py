"""Pure: what a container, or its pod, waits for before it runs."""

from __future__ import annotations

from typing import NamedTuple

from controller.api.base import JsonObject

PULL_PREFIX = "ErrImagePull: "
"""Prefix of the cause in the kubelet's back-off message. Without it, both messages of one failing pull are equal."""

SAME_REASONS = {"ErrImagePull": "ImagePullBackOff"}
"""Waiting reasons between which the kubelet alternates while it retries; one name keeps the status from flapping."""


class Waits(NamedTuple):
    """What is waited for: one CamelCase word, and the message of the kubelet or the scheduler."""

    reason: str = ""
    message: str = ""


def waiting(state: JsonObject) -> Waits | None:
    """Return the reason and message of a container that waits for something with a reason."""
    held = state.get("waiting")
    if not (held and held.get("reason")):
        return None
    reason = SAME_REASONS.get(held["reason"], held["reason"])
    return Waits(reason, held.get("message", "").rpartition(PULL_PREFIX)[2])


def preparing(spec: JsonObject, status: JsonObject) -> Waits | None:
    """Return what the init containers wait for, or which of them still works. A native sidecar that has started is no obstacle."""
    states = status.get("initContainerStatuses", ())
    if held := next(filter(None, (waiting(c.get("state", {})) for c in states)), None):
        return held
    sidecars = {c["name"] for c in spec.get("initContainers", ()) if c.get("restartPolicy") == "Always"}
    for container in states:
        name, since_when = container["name"], container.get("state", {}).get("running", {}).get("startedAt")
        if since_when and not (name in sidecars and container.get("started")):
            what = "has not passed its startup probe; it runs" if name in sidecars else "has been running"
            return Waits("PodInitializing", f"init container {name} {what} since {since_when}")
    return None


def unstarted(status: JsonObject) -> Waits | None:
    """Return what another container waits for. A pod is Pending until each of its containers has started once."""
    for container in status.get("containerStatuses", ()) if status.get("phase") == "Pending" else ():
        if held := waiting(container.get("state", {})):
            return held._replace(message=": ".join(filter(None, (f"container {container['name']}", held.message))))
    return None


def unscheduled(scheduled: JsonObject) -> Waits | None:
    """Return the scheduler's words by a pod's condition PodScheduled."""
    return Waits("Unschedulable", scheduled.get("message", "")) if scheduled.get("reason") == "Unschedulable" else None
