"""The `api` cluster itself: two at once, simulated pods, an audit log that counts."""

from __future__ import annotations

import uuid

from controller.api.base import JsonObject
from tests.cluster import Cluster, lifecycle
from tests.support import apply, await_that, get


def job(name: str) -> JsonObject:
    pod = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "x"}]}
    spec = {"template": {"spec": pod}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec}


def test_a_simulated_job_completes(api_cluster: Cluster, namespace: str) -> None:
    """Scheduler, controller-manager and kwok work together: a Job's pod runs and completes."""
    apply(api_cluster, namespace, job("simulated"))
    await_that(lambda: get(api_cluster, namespace, "job", "simulated").get("status", {}).get("succeeded") == 1, "the Job's end")


def test_the_audit_log_counts_writes_once(api_cluster: Cluster, namespace: str) -> None:
    """One create is one entry, of the program that sent it and in its namespace."""
    api_cluster.kubectl("-n", namespace, "create", "configmap", "one")
    await_that(lambda: api_cluster.writes(namespace, "kubectl"), "the entry")
    assert api_cluster.writes(namespace, "kubectl") == {("create", "configmaps"): 1}


def test_two_clusters_at_once_are_strangers(api_cluster: Cluster) -> None:
    """A second cluster has its own ports, folder and objects, and is removed completely."""
    other = lifecycle.up("api", name=f"other-{uuid.uuid4().hex[:6]}")
    try:
        other.kubectl("create", "namespace", "only-here")
        assert "only-here" not in api_cluster.kubectl("get", "namespaces", "-o", "name")
    finally:
        lifecycle.down(other.name)
    assert not other.directory.exists()
    assert api_cluster.kubectl("get", "--raw", "/readyz") == "ok"
