"""The chart's pods and agents' pods in a project of OpenShift, as tests/api/scc.py emulates its constraints."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from controller.api.base import JsonObject
from tests.api.operators import OperatorAccount
from tests.api.scc import FIRST, LAST, LEVEL, REFUSED, constrained, containers
from tests.chart.helm import ROOT, objects, render
from tests.chart.test_kustomize import built
from tests.cluster import Cluster
from tests.support import apply, await_phase, await_that, get, policy_of, run_of, status

VALUES = ROOT / "tests/chart/values"
ON_OPENSHIFT = ("--api-versions", "security.openshift.io/v1")
NONROOT_ROLE: JsonObject = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRole",
    "metadata": {"name": "system:openshift:scc:nonroot-v2"},
    "rules": [
        {
            "apiGroups": ["security.openshift.io"],
            "resources": ["securitycontextconstraints"],
            "resourceNames": ["nonroot-v2"],
            "verbs": ["use"],
        }
    ],
}
"""A role that every OpenShift has."""

OWN_USER: JsonObject = {
    "template": {"spec": {"securityContext": {"runAsUser": 1000}, "containers": [{"name": "agent", "image": "x"}]}}
}
"""An agent whose image needs its own user."""


@pytest.fixture
def project(api_cluster: Cluster, namespace: str) -> Iterator[str]:
    """A namespace that is a project of OpenShift."""
    with constrained(api_cluster, namespace):
        await_that(lambda: REFUSED in create(api_cluster, namespace, pod_of(5)), "the constraints to be in force")
        yield namespace


def pod_of(user: int) -> JsonObject:
    """Return a plain pod that names its user."""
    spec = {"securityContext": {"runAsUser": user}, "containers": [{"name": "c", "image": "x"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe"}, "spec": spec}


def create(cluster: Cluster, namespace: str, pod: JsonObject) -> str:
    """Return the answer to a dry-run create."""
    command = ("-n", namespace, "create", "--dry-run=server", "-o", "json", "-f", "-")
    return cluster.kubectl(*command, stdin=json.dumps(pod), check=False)


def pods_of(text: str) -> Iterator[JsonObject]:
    """Yield the pods that the objects of the chart lead to."""
    for each in objects(text):
        if each["kind"] == "Pod":
            yield each
        elif each["kind"] in ("Deployment", "Job"):
            metadata = {"name": each["metadata"]["name"], **each["spec"]["template"]["metadata"]}
            yield {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": each["spec"]["template"]["spec"]}


def prepare(cluster: Cluster, namespace: str, text: str) -> None:
    """Create the accounts of the chart's pods, without which no pod is admitted."""
    names = {pod["spec"].get("serviceAccountName", "default") for pod in pods_of(text)}
    apply(cluster, namespace, *({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}} for name in names))


def effective(pod: JsonObject, field: str) -> set[Any]:
    """Return the values of a field of the security contexts that a pod's containers have."""
    return {(pod["spec"]["securityContext"] | each["securityContext"]).get(field) for each in containers(pod)}


def test_every_pod_of_the_chart_is_admitted(api_cluster: Cluster, project: str, tmp_path: Path) -> None:
    """Where OpenShift's API is, the operator, the advisor, the move and the hooks get users of the project, without a setting."""
    for values in ("default", "bare", "advisor-codex", "move", "sqlite", "extras", "demands"):
        text = render(tmp_path, "--values", str(VALUES / f"{values}.yaml"), "--namespace", project, *ON_OPENSHIFT)
        prepare(api_cluster, project, text)
        found = [json.loads(create(api_cluster, project, pod)) for pod in pods_of(text)]
        assert found
        for pod in found:
            assert pod["metadata"]["annotations"]["openshift.io/scc"] == "restricted-v2"
            assert effective(pod, "runAsUser") == {FIRST}
            assert pod["spec"]["securityContext"]["fsGroup"] == FIRST


def test_the_overlays_pod_is_admitted(api_cluster: Cluster, project: str) -> None:
    """The operator of manifests/overlays/openshift gets a user of the project, too."""
    text = yaml.safe_dump_all(built(ROOT / "manifests/overlays/openshift"))
    prepare(api_cluster, project, text)
    (pod,) = pods_of(text)
    assert effective(json.loads(create(api_cluster, project, pod)), "runAsUser") == {FIRST}


def test_fixed_users_are_refused(api_cluster: Cluster, project: str, tmp_path: Path) -> None:
    """The emulation refuses the chart's own users, which it has elsewhere, and those that a value sets outside of the range."""
    for options in (("openshift.assignUsers=never",), ("securityContext.runAsUser=4000",)):
        text = render(tmp_path, "--namespace", project, *ON_OPENSHIFT, "--set", *options)
        prepare(api_cluster, project, text)
        (pod,) = [each for each in pods_of(text) if each["metadata"]["labels"]["app.kubernetes.io/component"] == "operator"]
        assert "must be in the ranges" in create(api_cluster, project, pod)


def test_users_of_the_range_that_a_value_sets_stay(api_cluster: Cluster, project: str, tmp_path: Path) -> None:
    """A user that the values name is honoured: the operator runs as that one."""
    text = render(tmp_path, "--namespace", project, *ON_OPENSHIFT, "--set", f"securityContext.runAsUser={FIRST + 9}")
    prepare(api_cluster, project, text)
    for pod in pods_of(text):
        assert effective(json.loads(create(api_cluster, project, pod)), "runAsUser") == {FIRST + 9}


def test_an_agent_needs_no_setting(api_cluster: Cluster, account: OperatorAccount, project: str) -> None:
    """Agent and reporter have different users of the project's range, its group and its SELinux level; the Run completes."""
    with account.operator(project):
        apply(api_cluster, project, run_of("plain", {"workspace": {}}))
        await_phase(api_cluster, project, "plain", "Completed")
    pod = get(api_cluster, project, "pod", "plain-coder-r0")
    assert pod["metadata"]["annotations"]["openshift.io/scc"] == "restricted-v2"
    found = effective(pod, "runAsUser")
    assert len(found) == len(containers(pod)) == 2
    assert all(FIRST <= user <= LAST for user in found)
    assert pod["spec"]["securityContext"]["fsGroup"] == FIRST
    assert pod["spec"]["securityContext"]["seLinuxOptions"] == {"level": LEVEL}


def test_an_image_with_its_own_user_needs_nonroot_v2(api_cluster: Cluster, account: OperatorAccount, project: str) -> None:
    """A Run that names a user outside of the range is refused in words, and starts once the account may use nonroot-v2."""
    apply(api_cluster, project, NONROOT_ROLE)
    with account.operator(project):
        apply(api_cluster, project, run_of("own", OWN_USER))
        found = await_that(lambda: (s := status(api_cluster, project, "own")).get("reason") == "PodRefused" and s, "the refusal")
        assert "runAsUser: 1000 must be in the ranges" in found["message"]
        bind = ("create", "rolebinding", "nonroot", f"--clusterrole={NONROOT_ROLE['metadata']['name']}")
        api_cluster.kubectl("-n", project, *bind, f"--serviceaccount={project}:runwatchman-reporter")
        apply(api_cluster, project, policy_of({"restartBudget": 1}))
        await_phase(api_cluster, project, "own", "Completed")
    pod = get(api_cluster, project, "pod", "own-coder-r0")
    assert pod["metadata"]["annotations"]["openshift.io/scc"] == "nonroot-v2"
    assert {1000} < effective(pod, "runAsUser")
