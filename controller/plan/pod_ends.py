"""Why a terminated pod ended, by its status from the kubelet and the API server, and the words of that."""

from __future__ import annotations

from controller.api.names import SOURCE_CONTAINER
from controller.plan.reasons import Reason
from controller.plan.snapshot import PodFacts, Termination

OOM_EXIT_CODE = 137
"""128 + SIGKILL. The reason OOMKilled is racy: the kubelet sometimes reports Error with this exit code instead."""

START_ERRORS = frozenset({"StartError", "ContainerCannotRun"})
"""The kubelet's reasons for a container that the runtime could not start."""

ENDED_BY_NODE = frozenset({"NodeShutdown", "Shutdown", "Terminated", "Preempting"})
"""The kubelet's reasons for pods that it ends for its node's shutdown or for a critical pod (`nodeshutdown` and `preemption` in
the kubelet). Newer kubelets add the condition DisruptionTarget.
"""

UNKNOWN_ENDS = frozenset({"ContainerStatusUnknown", "Unknown"})
"""Reasons of the kubelet and containerd for a container that no longer exists, as after a reboot of its node. The agent is not
at fault.
"""

EXIT_CODES = {75: Reason.TEMPORARY, 77: Reason.NO_PERMISSION, 78: Reason.BAD_CONFIGURATION}
"""Exit codes with their own meaning: EX_TEMPFAIL, EX_NOPERM and EX_CONFIG of BSD's sysexits.h."""

SOURCE_EXIT_CODES = {75: Reason.SOURCE_UNAVAILABLE, 77: Reason.SOURCE_REFUSED, 78: Reason.SOURCE_REFUSED}
"""Exit codes of images/git/rw-clone with their own meaning. Any other end of it is that of an init container."""


def finished_its_work(pod: PodFacts) -> bool:
    """Whether the agent exited with 0 on its own, before the end of its pod was requested."""
    end = pod.termination
    if end is None:
        return pod.phase == "Succeeded" and not pod.without_agent
    return end.exit_code == 0 and finished_unasked(pod, end)


def finished_unasked(pod: PodFacts, end: Termination) -> bool:
    """Whether a container ended on its own, before the end of its pod was requested."""
    asks = (pod.deleted_at, pod.ending_since, pod.disrupted_at, pod.deadline_at)
    asked_at = min((moment for moment in asks if moment), default=None)
    # All times have whole seconds. Within the same second only the kubelet knows the order, so the end counts as requested.
    return asked_at is None or (end.finished_at is not None and end.finished_at < asked_at)


def failure_of(pod: PodFacts) -> Reason:
    """Return why a terminated pod did not finish its work."""
    end = end_of(pod)
    if pod.without_agent:
        return Reason.AGENT_MISSING
    if pod.disrupted_at is not None:
        return Reason.DISRUPTED
    if pod.rejected:
        return Reason.POD_REJECTED
    if pod.reason == "Evicted":
        return Reason.EVICTED
    if pod.reason in ENDED_BY_NODE:
        return Reason.DISRUPTED
    return _of_end(pod, end) if end else _without_end(pod)


def _without_end(pod: PodFacts) -> Reason:
    """Return the reason of a pod whose status has neither the agent's end nor that of an init container."""
    if pod.deleting:
        return Reason.DELETED
    return Reason.POD_DEADLINE if pod.deadline_at else Reason.POD_FAILED


def _of_end(pod: PodFacts, end: Termination) -> Reason:
    if end.reason in UNKNOWN_ENDS:
        return Reason.STATUS_UNKNOWN
    if pod.deleting and not finished_unasked(pod, end):
        return Reason.DELETED
    if pod.deadline_at and not finished_unasked(pod, end):
        return Reason.POD_DEADLINE
    return _of_init_container(end) if end.container else _of_exit(end)


def _of_init_container(end: Termination) -> Reason:
    codes = SOURCE_EXIT_CODES if end.container == SOURCE_CONTAINER else {}
    return codes.get(end.exit_code, Reason.INIT_CONTAINER_FAILED)


def end_of(pod: PodFacts) -> Termination | None:
    """Return the end that decides: the agent's, or that of the init container that kept the agent from running."""
    return pod.termination or pod.init_termination


def _of_exit(end: Termination) -> Reason:
    if end.reason == "OOMKilled":
        return Reason.OUT_OF_MEMORY
    if end.reason in START_ERRORS:
        return Reason.START_ERROR
    return EXIT_CODES.get(end.exit_code, Reason.EXITED_NONZERO)


def words(pod: PodFacts, end: Termination | None, reason: Reason) -> str:
    """Return the recorded cause: the container if it is not the agent's, the exit code, and the kubelet's texts."""
    if reason is Reason.AGENT_MISSING:
        return f"pod {pod.name} has no container {pod.container}"
    parts = _exit_words(end, reason) if end else []
    parts += [text.strip() for text in (pod.reason, pod.message, end.message if end else "") if text.strip()]
    return ": ".join(parts) or reason.sentence


def _exit_words(end: Termination, reason: Reason) -> list[str]:
    parts = [f"init container {end.container}"] if end.container else []
    parts.append(f"exit code {end.exit_code}")
    if end.reason == "OOMKilled" and end.container:
        parts.append("killed for using more memory than its limit")
    elif end.exit_code == OOM_EXIT_CODE and reason is not Reason.OUT_OF_MEMORY:
        parts.append("killed by SIGKILL, which may mean out of memory")
    return parts
