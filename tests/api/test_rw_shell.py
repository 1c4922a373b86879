"""`kubectl rw shell` on the real API server: the pod passes admission, is no attempt for the operator, and is removed."""

from __future__ import annotations

import json

import pytest

from controller.cli.rw.agent_choice import chosen
from controller.cli.rw.shell_pod import shell_pod
from tests.cluster import Cluster
from tests.plugin import Plugin, allow
from tests.support import OperatorProcess, apply, await_phase, await_that, get, items, run_of, status

COMPLETES = {"template": {"spec": {"containers": [{"name": "agent", "image": "x"}]}}, "workspace": {}}
RIGHTS = (
    ("get", "runs.runwatchman.dev"),
    ("list", "pods"),
    ("get", "persistentvolumeclaims"),
    ("create", "pods/exec"),
    ("create,get,list,watch,delete", "pods"),
)
"""The rights that docs/cli.md lists."""


@pytest.fixture
def rw(api_cluster: Cluster, api_operator: OperatorProcess, namespace: str) -> Plugin:
    """The plugin, as a user with the documented rights, in a namespace for restricted pods with a completed Run."""
    api_cluster.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    apply(api_cluster, namespace, run_of("done", COMPLETES))
    await_phase(api_cluster, namespace, "done", "Completed")
    allow(api_cluster, namespace, "bob", *RIGHTS)
    return Plugin(api_cluster, namespace, "bob")


def test_the_pod_is_made_entered_and_removed(rw: Plugin) -> None:
    """Admission, Pod Security and the documented rights allow it. (Simulated nodes run nothing: kubectl's exec fails.)"""
    before = status(rw.cluster, rw.namespace, "done")
    done = rw("shell", "done", "--timeout", "5s", "--", "true")
    assert done.exit_code == 1
    assert "-shell is started with its workspace, and removed at the end" in done.stderr
    assert "may not" not in done.stderr
    left = [pod for pod in items(rw.cluster, rw.namespace, "pods") if "deletionTimestamp" not in pod["metadata"]]
    assert [pod["metadata"]["name"] for pod in left] == ["done-coder-r0"]
    assert status(rw.cluster, rw.namespace, "done") == before


def test_who_may_not_create_pods_reads_why(rw: Plugin) -> None:
    """The error names the missing right, as kubectl does."""
    allow(rw.cluster, rw.namespace, "eve", ("get", "runs.runwatchman.dev"), ("list", "pods"), ("get", "persistentvolumeclaims"))
    eve = Plugin(rw.cluster, rw.namespace, "eve")
    assert f"eve may not create pods in namespace {rw.namespace}" in eve("shell", "done").stderr


def test_the_pod_is_none_of_the_operators_and_goes_with_its_run(rw: Plugin) -> None:
    """No label of an attempt is on it, so that it does not count for the Run; the owner removes a forgotten one."""
    run = get(rw.cluster, rw.namespace, "run", "done")
    last = get(rw.cluster, rw.namespace, "pod", "done-coder-r0")
    made = shell_pod(run, chosen(run, None), "done-coder-abc-shell", "done-coder-workspace", last, None)
    taken = json.loads(
        rw.cluster.kubectl("-n", rw.namespace, "create", "-f", "-", "-o", "json", "--as=bob", stdin=json.dumps(made))
    )
    assert not [key for key in taken["metadata"]["labels"] if key.startswith("runwatchman.dev/run")]
    assert taken["spec"]["securityContext"]["runAsUser"] == last["spec"]["securityContext"]["runAsUser"]
    rw.cluster.kubectl("-n", rw.namespace, "delete", "run", "done", "--wait=false")
    await_that(lambda: items(rw.cluster, rw.namespace, "pods") == [], "the end of the pods")
