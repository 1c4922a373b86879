"""Ends a pod: by a deadline, which keeps its logs and exit codes; by deletion if it was never bound or ignores the deadline."""

from __future__ import annotations

from controller.api.names import ANNOTATION_ENDING_AT
from controller.api.timestamps import format_time
from controller.facts.pods import ENDING_DEADLINE_SECONDS
from controller.kube.errors import NotFound
from controller.kube.resources import PODS
from controller.plan.actions import DeletePod, Terminate
from controller.plan.snapshot import Snapshot
from controller.reconcile.actions.dependencies import Tools, without_pod


async def terminate(tools: Tools, snapshot: Snapshot, action: Terminate) -> Snapshot:
    """Have the kubelet end the pod with this UID. Raises Conflict where it is another pod."""
    annotations = {ANNOTATION_ENDING_AT: format_time(tools.now())}
    body = {
        "metadata": {"uid": action.pod_uid, "annotations": annotations},
        "spec": {"activeDeadlineSeconds": ENDING_DEADLINE_SECONDS},
    }
    try:
        pod = await tools.client.merge_patch(PODS, snapshot.run.namespace, action.pod, body)
    except NotFound:
        return without_pod(snapshot, action.pod_uid)
    return tools.with_pod(snapshot, pod)


async def delete_pod(tools: Tools, snapshot: Snapshot, action: DeletePod) -> Snapshot:
    """Delete the pod with this UID, with the grace period that the plan says. Raises Conflict where it is another pod.

    The pod leaves the snapshot if it is gone; else the watch reports its end.
    """
    try:
        await tools.client.delete(PODS, snapshot.run.namespace, action.pod, uid=action.pod_uid, grace_seconds=action.grace_seconds)
        pod = await tools.client.get(PODS, snapshot.run.namespace, action.pod)
    except NotFound:
        return without_pod(snapshot, action.pod_uid)
    return tools.with_pod(snapshot, pod)
