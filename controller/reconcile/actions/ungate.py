"""Starts a pod. This is the fenced effect: only a pod whose UID is saved loses its gate."""

from __future__ import annotations

from controller.api.names import GATE_ADMITTED
from controller.kube.resources import PODS
from controller.plan.actions import Ungate
from controller.plan.snapshot import Snapshot
from controller.reconcile.actions.dependencies import Tools


async def ungate(tools: Tools, snapshot: Snapshot, action: Ungate) -> Snapshot:
    """Remove our gate, which `build_pod` puts first, from the pod with the saved UID. Raises Conflict where it is another pod."""
    operations = [
        {"op": "test", "path": "/metadata/uid", "value": action.pod_uid},
        {"op": "test", "path": "/spec/schedulingGates/0/name", "value": GATE_ADMITTED},
        {"op": "remove", "path": "/spec/schedulingGates/0"},
    ]
    pod = await tools.client.json_patch(PODS, snapshot.run.namespace, action.pod, operations)
    return tools.with_pod(snapshot, pod)
