"""The ungating patch resets a pod's managedFields: what users of server-side apply see of a pod that the operator started.

Kubernetes documents the reset alone. All else here is observed, and promised nowhere (docs/protocol.md).
"""

from __future__ import annotations

import json

import pytest

from controller.api.base import JsonObject
from tests.cluster import Cluster, ClusterError
from tests.support import OperatorProcess, apply, await_phase, await_that, get, simulated_forever

POD = "stays-coder-r0"
BEFORE = ("before-first-apply", "Update")
CHECKED = "example.com/Checked"


@pytest.fixture
def started(api_cluster: Cluster, api_operator: OperatorProcess, namespace: str) -> str:
    """A Run's pod that was ungated and is at work, after several updates of its status; its template has a label."""
    run = simulated_forever("stays")
    run["spec"]["agents"][0]["template"]["metadata"]["labels"] = {"tier": "low"}
    apply(api_cluster, namespace, run)
    await_phase(api_cluster, namespace, "stays", "Running")
    return POD


def owners(cluster: Cluster, namespace: str) -> set[tuple[str, str]]:
    """Return who owns fields of the pod, and by which operation."""
    text = cluster.kubectl("-n", namespace, "get", "pod", POD, "--show-managed-fields", "-o", "json")
    return {(entry["manager"], entry["operation"]) for entry in json.loads(text)["metadata"].get("managedFields", [])}


def applied(cluster: Cluster, namespace: str, manager: str, *options: str, **labels: str) -> str:
    """Apply labels to the pod by server-side apply, and return the pod's value of the first one."""
    pod: JsonObject = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": POD, "labels": labels}}
    command = ("apply", "--server-side", "--field-manager", manager, *options, "-f", "-")
    cluster.kubectl("-n", namespace, *command, stdin=json.dumps(pod))
    return str(get(cluster, namespace, "pod", POD)["metadata"]["labels"][next(iter(labels))])


def checked(cluster: Cluster, namespace: str, status: str) -> None:
    """Update the pod's status as a kubelet does, by a strategic merge patch of a condition."""
    patch = json.dumps({"status": {"conditions": [{"type": CHECKED, "status": status}]}})
    options = ("--subresource=status", "--type=strategic", "--field-manager=kubelet", "-p", patch)
    cluster.kubectl("-n", namespace, "patch", "pod", POD, *options)
    conditions = get(cluster, namespace, "pod", POD)["status"]["conditions"]
    assert [each["status"] for each in conditions if each["type"] == CHECKED] == [status]


def test_nobody_owns_fields_of_a_started_pod(api_cluster: Cluster, namespace: str, started: str) -> None:
    """Neither the ungating, whose patch has the reset, nor later updates of the status record owners."""
    assert owners(api_cluster, namespace) == set()
    checked(api_cluster, namespace, "True")
    assert owners(api_cluster, namespace) == set()


def test_a_user_applies_labels(api_cluster: Cluster, namespace: str, started: str) -> None:
    """Server-side apply works on such a pod and owns what it applies; a second manager conflicts with the first until it forces."""
    assert applied(api_cluster, namespace, "first", team="a") == "a"
    assert owners(api_cluster, namespace) == {BEFORE, ("first", "Apply")}
    with pytest.raises(ClusterError, match='conflict with "first"'):
        applied(api_cluster, namespace, "second", team="b")
    assert applied(api_cluster, namespace, "second", "--force-conflicts", team="b") == "b"
    assert owners(api_cluster, namespace) == {BEFORE, ("second", "Apply")}


def test_a_user_applies_a_label_that_the_pod_has(api_cluster: Cluster, namespace: str, started: str) -> None:
    """The first apply shares an equal value, and conflicts over another one with `before-first-apply` until it forces."""
    with pytest.raises(ClusterError, match='conflict with "before-first-apply"'):
        applied(api_cluster, namespace, "first", tier="high")
    assert owners(api_cluster, namespace) == set()
    assert applied(api_cluster, namespace, "first", tier="low") == "low"
    assert applied(api_cluster, namespace, "first", "--force-conflicts", tier="high") == "high"


def test_updates_have_owners_again_after_an_apply(api_cluster: Cluster, namespace: str, started: str) -> None:
    """From the first apply on the API server records who updates the pod. Updates never conflict: the operator ends it."""
    applied(api_cluster, namespace, "first", team="a")
    checked(api_cluster, namespace, "False")
    assert ("kubelet", "Update") in owners(api_cluster, namespace)
    api_cluster.kubectl("-n", namespace, "patch", "run", "stays", "--type=merge", "-p", '{"spec": {"desiredState": "Stopped"}}')
    await_that(lambda: "activeDeadlineSeconds" in get(api_cluster, namespace, "pod", POD)["spec"], "the deadline that ends the pod")
