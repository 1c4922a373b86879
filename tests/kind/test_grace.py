"""Deletions with an absurd grace period, on a real kubelet."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.cluster import Cluster
from tests.kind.installed import Installed
from tests.kind.test_runs import DEAF, patch_state
from tests.support import apply, await_phase, await_that, condition, get, run_of

ABSURD_SECONDS = 100_000_000_000_000
OWN_SECONDS = 3
POD = "deaf-coder-r0"
POLICIES = ("runwatchman-deletions", "runwatchman-evictions")


@pytest.fixture
def restarts(kind_cluster: Cluster, kind_operator: Installed, namespace: str) -> Iterator[None]:
    """An agent that ignores TERM is at work; the operator is not restarted meanwhile."""
    before = started_again(kind_operator)
    containers = [{"name": "agent", "image": "busybox:1.37", "command": ["sh", "-c", f"echo started; {DEAF}"]}]
    template = {"spec": {"terminationGracePeriodSeconds": OWN_SECONDS, "containers": containers}}
    apply(kind_cluster, namespace, run_of("deaf", {"template": template}))
    await_phase(kind_cluster, namespace, "deaf", "Running")
    yield
    assert started_again(kind_operator) == before


@pytest.fixture
def unguarded(kind_cluster: Cluster) -> Iterator[None]:
    """Admission accepts every deletion for a while, as without its policies."""
    enforce(kind_cluster, "Audit")
    yield
    enforce(kind_cluster, "Deny")


@pytest.mark.usefixtures("restarts")
@pytest.mark.parametrize("desired", ["Stopped", "Paused"])
def test_no_deletion_outlives_a_stop(kind_cluster: Cluster, namespace: str, desired: str) -> None:
    """A grace period longer than the pod's own is refused, even for an admin, by deletion or eviction; a stop or a pause ends
    the agent within the pod's own.
    """
    assert "longer than the pod's own of 3 s" in delete(kind_cluster, namespace, ABSURD_SECONDS)
    assert "longer than the pod's own of 3 s" in delete(kind_cluster, namespace, 86400)
    assert "3600 s at most" in evict(kind_cluster, namespace, ABSURD_SECONDS)
    patch_state(kind_cluster, namespace, "deaf", desired)
    found = await_phase(kind_cluster, namespace, "deaf", desired)
    assert found["agents"][0]["outcome"] == "Interrupted"
    if desired == "Stopped":
        assert condition(found, "Finished") == ("True", "StopRequested")
    assert get(kind_cluster, namespace, "pod", POD)["status"]["phase"] == "Failed"


@pytest.mark.usefixtures("restarts", "unguarded")
def test_a_deletion_that_admission_let_pass_is_shortened(kind_cluster: Cluster, namespace: str) -> None:
    """Without the policies the operator survives a grace period beyond any clock's range, and a stop shortens it to the pod's own.

    Today's kubelets still wait for the first one (kubernetes/kubernetes#83916), so the pod is deleted by force in the end.
    """
    await_that(lambda: not delete(kind_cluster, namespace, ABSURD_SECONDS), "the deletion to pass")
    assert grace(kind_cluster, namespace) == ABSURD_SECONDS
    patch_state(kind_cluster, namespace, "deaf", "Stopped")
    await_that(lambda: grace(kind_cluster, namespace) in (OWN_SECONDS, None), "the grace period to be shortened")
    kind_cluster.kubectl("-n", namespace, "delete", "run", "deaf", "--wait=false")
    await_that(lambda: not get(kind_cluster, namespace, "run", "deaf"), "the Run's end")
    kind_cluster.kubectl("-n", namespace, "delete", "pod", POD, "--force", "--grace-period=0", "--ignore-not-found")


def delete(cluster: Cluster, namespace: str, seconds: int) -> str:
    """Delete the agent's pod with a grace period; return the refusal, empty for none."""
    said = cluster.kubectl("-n", namespace, "delete", "pod", POD, f"--grace-period={seconds}", "--wait=false", check=False)
    return said if "rror" in said else ""


def evict(cluster: Cluster, namespace: str, seconds: int) -> str:
    """Evict the agent's pod with a grace period; return the refusal, empty for none."""
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": POD, "namespace": namespace}}
    eviction = json.dumps(body | {"deleteOptions": {"gracePeriodSeconds": seconds}})
    path = f"/api/v1/namespaces/{namespace}/pods/{POD}/eviction"
    return cluster.kubectl("create", "--raw", path, "-f", "-", stdin=eviction, check=False)


def grace(cluster: Cluster, namespace: str) -> int | None:
    """Return the grace period of the pod's deletion, None if it is not being deleted."""
    metadata = get(cluster, namespace, "pod", POD).get("metadata", {})
    return int(metadata["deletionGracePeriodSeconds"]) if "deletionGracePeriodSeconds" in metadata else None


def enforce(cluster: Cluster, action: str) -> None:
    """Make the policies deny unwanted requests, or only log them."""
    for policy in POLICIES:
        body = json.dumps({"spec": {"validationActions": [action]}})
        cluster.kubectl("patch", "validatingadmissionpolicybinding", policy, "--type=merge", "-p", body)


def started_again(operator: Installed) -> int:
    """Return how often the operator's container was restarted."""
    return sum(status["restartCount"] for status in operator.pod()["status"]["containerStatuses"])
