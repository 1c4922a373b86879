"""Starts a pod. This is the fenced effect: only a pod whose UID is saved, or that was proven, loses its gate."""

from __future__ import annotations

from controller.api.base import JsonObject
from controller.api.names import GATE_ADMITTED
from controller.kube.resources import PODS
from controller.plan.actions import Ungate
from controller.plan.snapshot import Snapshot
from controller.reconcile.actions.dependencies import Tools

RESET_FIELD_OWNERS: JsonObject = {"op": "add", "path": "/metadata/managedFields", "value": [{}]}
"""Resets the pod's managedFields, as documented for server-side apply. This patch and later status patches of a kubelet then
cost the API server less: no fields are tracked until somebody applies the pod.
"""


async def ungate(tools: Tools, snapshot: Snapshot, action: Ungate) -> Snapshot:
    """Remove our gate, and nobody else's, from the pod with this UID. Raises Conflict where the pod has changed."""
    index = next(pod.gate_index for pod in snapshot.pods if pod.uid == action.pod_uid)
    operations = [
        {"op": "test", "path": "/metadata/uid", "value": action.pod_uid},
        {"op": "test", "path": f"/spec/schedulingGates/{index}/name", "value": GATE_ADMITTED},
        {"op": "remove", "path": f"/spec/schedulingGates/{index}"},
        RESET_FIELD_OWNERS,
    ]
    pod = await tools.client.json_patch(PODS, snapshot.run.namespace, action.pod, operations)
    return tools.with_pod(snapshot, pod)
