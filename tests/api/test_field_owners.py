"""The ungating patch resets a pod's managedFields: what users of server-side apply see of a pod that the operator started."""

from __future__ import annotations

import json

import pytest

from controller.api.base import JsonObject
from tests.cluster import Cluster, ClusterError
from tests.support import OperatorProcess, apply, await_phase, get, simulated_forever

POD = "stays-coder-r0"


@pytest.fixture
def started(api_cluster: Cluster, api_operator: OperatorProcess, namespace: str) -> str:
    """A Run's pod that was ungated and is at work, after several updates of its status."""
    apply(api_cluster, namespace, simulated_forever("stays"))
    await_phase(api_cluster, namespace, "stays", "Running")
    return POD


def owners(cluster: Cluster, namespace: str) -> list[tuple[str, str]]:
    """Return who owns fields of the pod, and by which operation."""
    text = cluster.kubectl("-n", namespace, "get", "pod", POD, "--show-managed-fields", "-o", "json")
    return [(entry["manager"], entry["operation"]) for entry in json.loads(text)["metadata"].get("managedFields", [])]


def applied(cluster: Cluster, namespace: str, manager: str, **labels: str) -> str:
    """Apply labels to the pod by server-side apply, without force."""
    pod: JsonObject = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": POD, "labels": labels}}
    return cluster.kubectl("-n", namespace, "apply", "--server-side", "--field-manager", manager, "-f", "-", stdin=json.dumps(pod))


def test_nobody_owns_fields_of_a_started_pod(api_cluster: Cluster, namespace: str, started: str) -> None:
    """Neither the ungating nor later updates of the status record owners."""
    assert owners(api_cluster, namespace) == []


def test_a_user_applies_labels(api_cluster: Cluster, namespace: str, started: str) -> None:
    """Server-side apply works on such a pod, owns what it applies, and conflicts with a second manager as usual."""
    applied(api_cluster, namespace, "first", team="a")
    assert ("first", "Apply") in owners(api_cluster, namespace)
    assert get(api_cluster, namespace, "pod", POD)["metadata"]["labels"]["team"] == "a"
    with pytest.raises(ClusterError, match='conflict with "first"'):
        applied(api_cluster, namespace, "second", team="b")
