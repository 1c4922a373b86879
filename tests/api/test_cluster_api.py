"""The `api` cluster itself: two at once, simulated pods, an audit log that counts."""

from __future__ import annotations

import json
import uuid
from contextlib import suppress

import pytest

from controller.api.base import JsonObject
from tests import users
from tests.cluster import Cluster, ClusterError, lifecycle
from tests.support import POLLED, apply, await_that, get, items, run_of


def job(name: str) -> JsonObject:
    pod = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "x"}]}
    spec = {"template": {"spec": pod}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec}


def readable(cluster: Cluster, path: str) -> JsonObject | None:
    """Return what is at a path, None while its user may not read it."""
    with suppress(ClusterError):
        return cluster.read(path)
    return None


def test_a_simulated_job_completes(api_cluster: Cluster, namespace: str) -> None:
    """Scheduler, controller-manager and kwok work together: a Job's pod runs and completes."""
    apply(api_cluster, namespace, job("simulated"))
    await_that(lambda: get(api_cluster, namespace, "job", "simulated").get("status", {}).get("succeeded") == 1, "the Job's end")


def test_the_audit_log_counts_writes_once(api_cluster: Cluster, namespace: str) -> None:
    """One create is one entry, of the program that sent it and in its namespace."""
    api_cluster.kubectl("-n", namespace, "create", "configmap", "one")
    await_that(lambda: api_cluster.writes(namespace, "kubectl"), "the entry")
    assert api_cluster.writes(namespace, "kubectl") == {("create", "configmaps"): 1}


@pytest.mark.parametrize("kind", ["pod", "run"])
def test_a_poll_reads_what_kubectl_prints(api_cluster: Cluster, namespace: str, kind: str) -> None:
    """Kinds that tests poll are read without kubectl, whether they are the API server's or a CRD's, with the same result."""
    unscheduled = {"schedulerName": "nobody", "containers": [{"name": "c", "image": "x"}]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one"}, "spec": unscheduled}
    api_cluster.kubectl("-n", namespace, "create", "-f", "-", stdin=json.dumps(pod))
    api_cluster.kubectl("-n", namespace, "create", "-f", "-", stdin=json.dumps(run_of("one")))
    assert kind in POLLED
    printed = json.loads(api_cluster.kubectl("-n", namespace, "get", kind, "-o", "json"))["items"]
    assert items(api_cluster, namespace, f"{kind}s") == printed
    assert [get(api_cluster, namespace, kind, "one")] == printed
    assert get(api_cluster, namespace, kind, "absent") == {}


def test_a_read_is_the_users_own(api_cluster: Cluster, namespace: str) -> None:
    """A certificate and a token each read with their user's rights; a refusal is an error with the API server's words."""
    path = f"/api/v1/namespaces/{namespace}/pods"
    for who in (users.person(api_cluster, "stranger"), users.account(api_cluster, namespace, "default")):
        with pytest.raises(ClusterError, match="pods is forbidden: User"):
            who.read(path)
    users.grant(api_cluster, namespace, "view", "--user=stranger")
    found = await_that(lambda: readable(users.person(api_cluster, "stranger"), path), "the right")
    assert found["kind"] == "PodList"


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
