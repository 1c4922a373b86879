"""Releases a pod: its outcome is recorded, or no longer matters, so its deletion can complete.

A pod that was seen gated is released only if it still is: another operator may have started it since, and then its outcome counts.
"""

from __future__ import annotations

from controller.api.names import FINALIZER_OUTCOME, GATE_ADMITTED
from controller.kube.errors import NotFound
from controller.kube.resources import PODS
from controller.plan.actions import RemoveFinalizer
from controller.plan.snapshot import Snapshot
from controller.reconcile.actions.dependencies import Tools, without_pod


async def remove_finalizer(tools: Tools, snapshot: Snapshot, action: RemoveFinalizer) -> Snapshot:
    """Remove our finalizer, and nobody else's, from the pod with this UID. Raises Conflict where the pod has changed."""
    pod = next(pod for pod in snapshot.pods if pod.uid == action.pod_uid)
    index = pod.finalizers.index(FINALIZER_OUTCOME)
    gate = {"op": "test", "path": f"/spec/schedulingGates/{pod.gate_index}/name", "value": GATE_ADMITTED}
    operations = [
        {"op": "test", "path": "/metadata/uid", "value": action.pod_uid},
        *([gate] if pod.gated else []),
        {"op": "test", "path": f"/metadata/finalizers/{index}", "value": FINALIZER_OUTCOME},
        {"op": "remove", "path": f"/metadata/finalizers/{index}"},
    ]
    try:
        freed = await tools.client.json_patch(PODS, snapshot.run.namespace, action.pod, operations)
    except NotFound:
        return without_pod(snapshot, action.pod_uid)
    return tools.with_pod(snapshot, freed)
