"""A LimitRange and a range of users as OpenShift enforces it, on a real API server: refused with the remedy, admitted with it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from controller.api.base import JsonObject
from tests.cluster import Cluster
from tests.support import OperatorProcess, apply, await_phase, await_that, items, policy_of, run_of, status

LIMITS: JsonObject = {
    "apiVersion": "v1",
    "kind": "LimitRange",
    "metadata": {"name": "at-least"},
    "spec": {
        "limits": [
            {
                "type": "Container",
                "min": {"cpu": "50m", "memory": "64Mi"},
                "default": {"cpu": "1", "memory": "512Mi"},
                "defaultRequest": {"cpu": "100m", "memory": "128Mi"},
            }
        ]
    },
}
RESOURCES: JsonObject = {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"cpu": "250m", "memory": "128Mi"}}
FIRST, LAST = 1000660000, 1000669999
BOXES = "(object.spec.containers + (has(object.spec.initContainers) ? object.spec.initContainers : []))"
USERS = (
    "(has(object.spec.securityContext.runAsUser) ? [object.spec.securityContext.runAsUser] : []) + "
    f"{BOXES}.filter(c, has(c.securityContext) && has(c.securityContext.runAsUser)).map(c, c.securityContext.runAsUser)"
)
FITTED: JsonObject = {
    "template": {
        "spec": {
            "securityContext": {"runAsUser": FIRST, "fsGroup": FIRST},
            "containers": [{"name": "agent", "image": "busybox:1.37"}],
        }
    }
}


@pytest.fixture
def ranged(api_cluster: Cluster, namespace: str) -> Iterator[str]:
    """A namespace whose pods may have the users of a range only, as OpenShift's restricted-v2 says."""
    words = f"unable to validate against any security context constraint: runAsUser must be in the ranges: [{FIRST}, {LAST}]"
    rules = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    about: JsonObject = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": f"uid-range-{namespace}"}}
    policy = about | {
        "kind": "ValidatingAdmissionPolicy",
        "spec": {
            "matchConstraints": {"resourceRules": [rules]},
            "variables": [{"name": "uids", "expression": USERS}],
            "validations": [{"expression": f"variables.uids.all(u, u >= {FIRST} && u <= {LAST})", "message": words}],
        },
    }
    selected = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
    bound = about | {
        "kind": "ValidatingAdmissionPolicyBinding",
        "spec": {"policyName": about["metadata"]["name"], "validationActions": ["Deny"], "matchResources": selected},
    }
    apply(api_cluster, namespace, policy, bound)
    probe = (
        "-n",
        namespace,
        "run",
        "probe",
        "--image=x",
        "--dry-run=server",
        '--overrides={"spec":{"securityContext":{"runAsUser":5}}}',
    )
    await_that(lambda: words in api_cluster.kubectl(*probe, check=False), "the range to be enforced")
    yield namespace
    for kind in ("validatingadmissionpolicybinding", "validatingadmissionpolicy"):
        api_cluster.kubectl("delete", kind, about["metadata"]["name"])


def operator(cluster: Cluster, namespace: str, *options: str) -> OperatorProcess:
    """An operator with reporters."""
    return OperatorProcess(cluster, "--namespace", namespace, "--reporter-image", "x", *options)


def refusal(cluster: Cluster, namespace: str, name: str) -> str:
    """Return the message of a Run whose pod is refused."""
    found = await_that(lambda: (s := status(cluster, namespace, name)).get("reason") == "PodRefused" and s, "the refusal")
    return str(found["message"])


def users(cluster: Cluster, namespace: str) -> tuple[int, int, int]:
    """Return the user and the group of volumes of the namespace's pod, and the user of its reporter."""
    (pod,) = items(cluster, namespace, "pods")
    context, (reporter,) = pod["spec"]["securityContext"], pod["spec"]["initContainers"]
    return context["runAsUser"], context["fsGroup"], reporter["securityContext"]["runAsUser"]


def test_a_limit_range_names_the_reporter_and_is_met_by_a_policy(api_cluster: Cluster, namespace: str) -> None:
    """The Run shows that the reporter has too little and which setting changes it; with the policy's resources it completes."""
    apply(api_cluster, namespace, LIMITS)
    with operator(api_cluster, namespace):
        apply(api_cluster, namespace, run_of("limited"))
        words = refusal(api_cluster, namespace, "limited")
        assert "minimum memory usage per Container is 64Mi, but request is 32Mi" in words
        assert "Container runwatchman-reporter is the operator's: set `reporterResources` in the policy" in words
        apply(api_cluster, namespace, policy_of({"reporterResources": RESOURCES}))
        await_phase(api_cluster, namespace, "limited", "Completed")


def test_a_limit_range_is_met_by_an_option(api_cluster: Cluster, namespace: str) -> None:
    """With the operator's option the pod is admitted at once."""
    apply(api_cluster, namespace, LIMITS)
    option = "--reporter-resources={requests: {cpu: 50m, memory: 64Mi}, limits: {memory: 128Mi}}"
    with operator(api_cluster, namespace, option):
        apply(api_cluster, namespace, run_of("limited"))
        await_phase(api_cluster, namespace, "limited", "Completed")
    (pod,) = items(api_cluster, namespace, "pods")
    assert pod["spec"]["initContainers"][0]["resources"]["limits"]["memory"] == "128Mi"


def test_a_range_of_users_names_the_reporter_and_is_met_by_a_policy(api_cluster: Cluster, ranged: str) -> None:
    """A Run that fits the range is refused for its reporter's user alone; with the policy's it starts."""
    with operator(api_cluster, ranged):
        apply(api_cluster, ranged, run_of("fitted", FITTED))
        words = refusal(api_cluster, ranged, "fitted")
        assert "Container runwatchman-reporter is the operator's: set `podSecurity.reporterRunAsUser`" in words
        assert "is the Run's" not in words
        apply(api_cluster, ranged, policy_of({"podSecurity": {"reporterRunAsUser": FIRST + 7}}))
        await_that(lambda: items(api_cluster, ranged, "pods"), "the pod")
    assert users(api_cluster, ranged) == (FIRST, FIRST, FIRST + 7)


def test_a_range_of_users_is_met_by_an_option(api_cluster: Cluster, ranged: str) -> None:
    """With the operator's option a Run without users of its own is admitted."""
    option = f"--agents-pod-security={{runAsUser: {FIRST}, reporterRunAsUser: {FIRST + 1}}}"
    with operator(api_cluster, ranged, option):
        apply(api_cluster, ranged, run_of("plain"))
        await_phase(api_cluster, ranged, "plain", "Completed")
    assert users(api_cluster, ranged) == (FIRST, FIRST, FIRST + 1)


def test_a_project_needs_no_setting(api_cluster: Cluster, ranged: str) -> None:
    """The users of a namespace with OpenShift's annotations are taken from them."""
    ranges = (f"openshift.io/sa.scc.uid-range={FIRST}/10000", "openshift.io/sa.scc.supplemental-groups=5/1")
    api_cluster.kubectl("annotate", "namespace", ranged, *ranges)
    with operator(api_cluster, ranged):
        apply(api_cluster, ranged, run_of("plain"))
        await_phase(api_cluster, ranged, "plain", "Completed")
    assert users(api_cluster, ranged) == (FIRST, 5, FIRST + 1)


def test_pods_have_the_default_accounts_pull_secrets(api_cluster: Cluster, namespace: str) -> None:
    """A pod with a reporter has the Secrets that Kubernetes gives a plain pod, and those of the operator's option."""
    patched = '{"imagePullSecrets": [{"name": "registry"}]}'
    await_that(lambda: api_cluster.kubectl("-n", namespace, "get", "sa", "default", "-o", "name", check=False), "the account")
    api_cluster.kubectl("-n", namespace, "patch", "serviceaccount", "default", "-p", patched)
    with operator(api_cluster, namespace, "--agents-image-pull-secrets=mirror"):
        apply(api_cluster, namespace, run_of("private"))
        await_phase(api_cluster, namespace, "private", "Completed")
    (pod,) = items(api_cluster, namespace, "pods")
    assert pod["spec"]["imagePullSecrets"] == [{"name": "mirror"}, {"name": "registry"}]
