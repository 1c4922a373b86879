"""The block of a pod that does not start, with the words of the kubelet or the scheduler and of the Events about it."""

from __future__ import annotations

from controller.api.phases import Health
from controller.plan.context import PlanContext
from controller.plan.escalations import blocked
from controller.plan.model import Block
from controller.plan.reasons import Reason
from controller.plan.snapshot import PodEvents, PodFacts, PodWarning


def pending_stalled(at: PlanContext, pod: PodFacts) -> Block:
    """A pod that does not start; a restart would not help."""
    words = ": ".join(filter(None, (pod.waiting_reason, pod.waiting_message)))
    quoted = _event_words(pod, at.pod_events(pod))
    cause = f"pod {pod.name} does not start: {'; '.join(filter(None, (words, quoted))) or 'no reason is known'}"
    remedy = "provide what it waits for; it then starts by itself"
    return blocked.of_pod(pod, Reason.PENDING_STALLED, Health.PENDING_STALLED, cause, remedy)


def _event_words(pod: PodFacts, events: PodEvents | None) -> str:
    """Return the Warning Events about a pod that add to its status, or why none is known; empty if none was read."""
    if events is None or not pod.bound:
        return ""
    if events.unread:
        return f"its Events are unknown: {events.unread}"
    more = [f"{found.reason}: {found.message}" for found in events.warnings if _adds(found, pod)]
    if more:
        return f"its newest Events: {'; '.join(more)}"
    return "" if pod.waiting_message else "it has no Warning Events (they expire, by default after an hour)"


def _adds(warning: PodWarning, pod: PodFacts) -> bool:
    """Whether an Event has words that are not in the pod's status."""
    status = pod.waiting_message
    known = status and (warning.message in status or status in warning.message)
    return not known and warning.message not in (f"Error: {pod.waiting_reason}", *PULL_ERRORS)


PULL_ERRORS = ("Error: ErrImagePull", "Error: ImagePullBackOff")
"""Messages of Events that only repeat a waiting reason."""
