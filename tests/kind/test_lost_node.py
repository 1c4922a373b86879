"""A node that is lost with live agents on it: there is never a second pod, a human is asked, and every remedy works, with every
store.

There is a release for each store; that of the first is on the node, too, and is lost with it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from controller.api.base import JsonObject
from tests.cluster import IN_TIME, Cluster
from tests.cluster.kind import KindCluster
from tests.kind.installed import Installed
from tests.skipping import cannot_run
from tests.support import apply, await_that, get, items, policy_of, run_of, status

FOREVER = 'trap "exit 143" TERM; while :; do sleep 0.2; done'
POLICY = {"restartBudget": 0, "confirmationIntervalSeconds": 1}
ENDING = {"stopped": "Stopped", "paused": "Paused"}
"""Runs that a user ends while the node is lost, and the desired state, which is also their phase in the end."""
RUNS = ("held", "forced", *ENDING)
PATIENCE = 180.0
"""A kubelet's silence is noticed after 24 s and its pods are marked after that; machines are shared."""
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service=nodeshutdown:NoExecute"
"""The taint by which an administrator confirms that a lost node is down: the cluster then deletes its pods."""


@pytest.fixture
def node(kind_cluster: Cluster, second_node: None) -> str:
    """A worker that may be lost; only our own kind clusters have one."""
    if not isinstance(kind_cluster, KindCluster):
        cannot_run("needs a kind cluster of its own to stop a kubelet on")
    return next(name for name in kind_cluster.nodes if name.endswith("worker"))


@pytest.fixture
def releases(node: str, no_operator: None, store_releases: dict[str, Installed]) -> Iterator[dict[str, Installed]]:
    """An operator for each store, by its namespace: all but the first on the node that stays."""
    by_namespace = {installed.release: installed for installed in store_releases.values()}
    assert next(iter(by_namespace.values())).pod()["spec"]["nodeName"] == node
    yield by_namespace
    for installed in by_namespace.values():
        installed.clear()


def test_a_lost_node(kind_cluster: KindCluster, node: str, releases: dict[str, Installed]) -> None:
    """While the node is lost no second pod starts; a forced deletion, the node's return and its out-of-service taint each let the
    Run continue. A Run that is stopped or paused meanwhile asks about its pod, and ends when the node is back.

    An operator that is lost with it restarts on the other node and continues like the others.
    """
    namespaces = list(releases)
    on_it = releases[namespaces[0]]
    for namespace in namespaces:
        apply(kind_cluster, namespace, policy_of(POLICY), *(preferring(run, node) for run in RUNS))

    def all_are(run: str, **wanted: Any) -> Callable[[], bool]:
        return lambda: all(wanted.items() <= status(kind_cluster, namespace, run).items() for namespace in namespaces)

    def attempts(run: str) -> list[int]:
        return [status(kind_cluster, namespace, run)["agents"][0]["attempt"] for namespace in namespaces]

    for run in RUNS:
        await_that(all_are(run, phase="Running"), f"{run} running")
    with lost(kind_cluster, node, on_it):
        for run in RUNS:
            await_that(all_are(run, phase="Blocked", reason="Unreachable", openEscalations=1), f"{run} escalated", PATIENCE)
        assert all(len(items(kind_cluster, namespace, "pods")) == len(RUNS) for namespace in namespaces)
        assert on_it.pod()["spec"]["nodeName"] != node
        for run, desired in ENDING.items():
            patch = json.dumps({"spec": {"desiredState": desired}})
            for namespace in namespaces:
                kind_cluster.kubectl("-n", namespace, "patch", "run", run, "--type=merge", "-p", patch)
            await_that(all_are(run, phase="Stopping", reason="Unreachable", openEscalations=1), f"{run} asks", PATIENCE)
            assert all(f"node {node} of pod" in status(kind_cluster, namespace, run)["message"] for namespace in namespaces)
        for namespace in namespaces:
            kind_cluster.kubectl("-n", namespace, "delete", "pod", "forced-coder-r0", "--force", IN_TIME)
        await_that(all_are("forced", phase="Running", openEscalations=0), "the attempts after the forced deletions", PATIENCE)
        assert (attempts("forced"), attempts("held")) == ([1] * len(namespaces), [0] * len(namespaces))
    await_that(all_are("held", phase="Running", openEscalations=0), "the Runs on the node that is back", PATIENCE)
    for run, desired in ENDING.items():
        await_that(all_are(run, phase=desired, openEscalations=0), f"the end of the {run} Runs", PATIENCE)
    with lost(kind_cluster, node):
        await_that(all_are("held", phase="Blocked"), "the second loss escalated", PATIENCE)
        kind_cluster.kubectl("taint", "node", node, OUT_OF_SERVICE)
        await_that(all_are("held", phase="Running", openEscalations=0), "the attempts after the taint", PATIENCE)
    assert attempts("held") == [1] * len(namespaces)
    assert all(status(kind_cluster, namespace, "held")["restarts"] == 0 for namespace in namespaces)


@contextmanager
def lost(cluster: KindCluster, node: str, operator: Installed | None = None) -> Iterator[None]:
    """Stop a node's kubelet, and end an operator on it, while the context lasts; then the node is ready and untainted again."""
    cluster.on_node(node, "systemctl", "stop", "kubelet")
    if operator:
        operator.kill()
    try:
        yield
    finally:
        cluster.kubectl("taint", "node", node, f"{OUT_OF_SERVICE}-", check=False)
        cluster.on_node(node, "systemctl", "start", "kubelet")
        await_that(lambda: is_ready(get(cluster, "default", "node", node)), "the node ready again", PATIENCE)


def is_ready(node: JsonObject) -> bool:
    """Whether a node reports that it is ready."""
    return any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"]["conditions"])


def preferring(name: str, node: str) -> JsonObject:
    """Return a Run whose agent works for ever, on a node if possible."""
    match = [{"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]
    preferred = [{"weight": 100, "preference": {"matchExpressions": match}}]
    affinity = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}}
    container = {"name": "agent", "image": "busybox:1.37", "command": ["sh", "-c", FOREVER]}
    return run_of(name, {"template": {"spec": {"affinity": affinity, "containers": [container]}}})
