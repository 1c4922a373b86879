"""Cleanup that is due in every phase: releasing deleted pods, and deleting gated pods that belong to no attempt."""

from __future__ import annotations

from controller.plan.actions import DeletePod, RemoveFinalizer
from controller.plan.attempts.start_stop import delete_pod, remove_finalizer, starts_lean
from controller.plan.context import PlanContext
from controller.plan.intents import Intent
from controller.plan.reasons import Reason
from controller.plan.snapshot import PodFacts
from controller.plan.tasks import due


def housekeeping(at: PlanContext) -> tuple[DeletePod | RemoveFinalizer, ...]:
    """Return the releases and deletions that are due for the Run's pods, by pod name."""
    return tuple(action for pod in at.our_pods() if (action := _tidy(at, pod)))


def remove_finalizers(at: PlanContext, reason: Reason) -> tuple[DeletePod | RemoveFinalizer, ...]:
    """Release every pod of a deleted Run, so that it can be deleted; pods that never started are deleted at once.

    Orphans count too: a deletion with --cascade=orphan removes their owner and leaves the label. Pods of another owner do not
    count: pods are looked up by name, and there may be a later Run of that name by now.
    """
    actions: list[DeletePod | RemoveFinalizer] = []
    drop = (pod for pod in at.snapshot.pods if at.ours(pod) or not pod.run_uid)
    for pod in sorted(drop, key=lambda pod: pod.name):
        if pod.gated and not pod.deleting:
            actions.append(delete_pod(pod, reason, Intent.RELEASE))
        if pod.has_finalizer:
            actions.append(remove_finalizer(pod, reason))
    return tuple(actions)


def has_held_pod(at: PlanContext) -> bool:
    """Whether a deleted pod has ended and is still held, since its outcome is not recorded."""
    return any(pod.deleting and pod.has_finalizer and pod.terminated for pod in at.our_pods())


def _tidy(at: PlanContext, pod: PodFacts) -> DeletePod | RemoveFinalizer | None:
    stray = _never_ran(at, pod) and _is_stray(at, pod)
    if stray and not pod.deleting:
        return delete_pod(pod, Reason.STRAY, Intent.RELEASE)
    if not (pod.deleting and pod.has_finalizer and pod.terminated):
        return None
    if stray:
        return remove_finalizer(pod, Reason.STRAY)
    return remove_finalizer(pod, Reason.OUTCOME_RECORDED) if _on_record(at, pod) else None


def _never_ran(at: PlanContext, pod: PodFacts) -> bool:
    """Whether the pod is gated, or was started too late: after its deletion for the end of the Run, so that it is never bound."""
    stopped = at.state is not None and at.state.stop is not None
    return pod.gated or (stopped and pod.deleting and not pod.bound and starts_lean(at, pod.agent))


def _is_stray(at: PlanContext, pod: PodFacts) -> bool:
    """Whether the pod that never ran can never be started: its attempt has another UID, its attempt is past, or the Run is over.

    A pod of a later attempt than the state's was created by a pass with newer data, or will be adopted when its attempt is due.
    """
    state = at.agent_state(pod.agent)
    if pod.task:
        return _is_stray_task(at, pod)
    if at.state is not None and at.state.stop is not None:
        return pod.uid != state.pod_uid
    if pod.attempt > state.attempt:
        return pod.deleting
    if state.outcome is not None:
        return pod.uid != state.pod_uid
    return pod.uid != state.pod_uid if state.pod_uid else pod.attempt < state.attempt or pod.deleting


def _on_record(at: PlanContext, pod: PodFacts) -> bool:
    """Whether the pod is no longer needed: its outcome is saved, or it belongs to a past attempt or task."""
    state = at.agent_state(pod.agent)
    if pod.task:
        return not _is_named(at, pod) and _is_past(at, pod)
    return pod.attempt < state.attempt or (state.outcome is not None and pod.attempt == state.attempt)


def _is_stray_task(at: PlanContext, pod: PodFacts) -> bool:
    """Whether the gated pod of a task can never be started: as for attempts, by its place in the order of tasks."""
    if _is_named(at, pod):
        return False
    return _is_past(at, pod) or pod.deleting or (at.state is not None and at.state.stop is not None)


def _is_named(at: PlanContext, pod: PodFacts) -> bool:
    task = at.agent_state(pod.agent).task
    return task is not None and task.pod_uid == pod.uid


def _is_past(at: PlanContext, pod: PodFacts) -> bool:
    """Whether the state has moved on from the try that a pod was created for, and with that recorded its end."""
    return due.position_of(pod) < due.position(at.agent_state(pod.agent), at.due_task(pod.agent))
