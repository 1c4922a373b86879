"""Pure: builds the claim of an agent's workspace."""

from __future__ import annotations

from controller.api.base import JsonObject
from controller.api.names import (
    LABEL_AGENT,
    LABEL_RUN,
    LABEL_RUN_UID,
    workspace_name,
)
from controller.api.run import Agent
from controller.plan.snapshot import RunFacts
from controller.resources.owner import owner_reference


def build_claim(run: RunFacts, agent: Agent) -> JsonObject:
    """Return the claim of an agent's workspace, which is kept across attempts and is deleted with the Run."""
    workspace = agent.workspace
    if workspace is None:
        raise ValueError(f"agent {agent.name} has no kept workspace")
    spec: JsonObject = {
        "accessModes": [workspace.access_mode],
        "resources": {"requests": {"storage": workspace.size}},
    }
    if workspace.storage_class_name is not None:
        spec["storageClassName"] = workspace.storage_class_name
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": workspace_name(run.name, agent.name),
            "namespace": run.namespace,
            "labels": {LABEL_RUN: run.name, LABEL_RUN_UID: run.uid, LABEL_AGENT: agent.name},
            "ownerReferences": [owner_reference(run)],
        },
        "spec": spec,
    }
