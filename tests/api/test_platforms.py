"""What platforms' admission does to agents' pods: GKE Autopilot's changes and the containers of service meshes, by webhooks."""

from __future__ import annotations

import copy

import pytest

from controller.api.base import JsonObject
from tests.api.operators import OperatorAccount
from tests.api.pod_webhook import Decide, deciding
from tests.cluster import Cluster
from tests.support import apply, await_phase, await_that, get, run_of, status

RAISED = {"cpu": "500m", "memory": "2Gi"}
CONFINED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "privileged": False,
    "readOnlyRootFilesystem": True,
    "runAsGroup": 1337,
    "runAsNonRoot": True,
    "runAsUser": 1337,
}
VALIDATION: JsonObject = {"name": "istio-validation", "image": "proxyv2", "securityContext": CONFINED}
PROXY: JsonObject = {
    "name": "istio-proxy",
    "image": "proxyv2",
    "securityContext": CONFINED,
    "ports": [{"containerPort": 15090, "name": "http-envoy-prom", "protocol": "TCP"}],
    "startupProbe": {"httpGet": {"path": "/healthz/ready", "port": 15021}, "failureThreshold": 600, "periodSeconds": 1},
    "volumeMounts": [{"name": "istio-token", "mountPath": "/var/run/secrets/tokens"}],
}
TOKEN: JsonObject = {
    "name": "istio-token",
    "projected": {
        "sources": [{"serviceAccountToken": {"audience": "istio-ca", "expirationSeconds": 43200, "path": "istio-token"}}]
    },
}
PRIVILEGED = {"capabilities": {"add": ["NET_ADMIN", "NET_RAW"], "drop": ["ALL"]}, "runAsUser": 0, "runAsNonRoot": False}


def autopilot(request: JsonObject) -> JsonObject:
    """Return a pod as GKE Autopilot changes it."""
    pod: JsonObject = copy.deepcopy(request["object"])
    for container in [*pod["spec"]["containers"], *pod["spec"]["initContainers"]]:
        container["resources"] = {"requests": RAISED, "limits": RAISED}
    pod["metadata"]["annotations"]["autopilot.gke.io/resource-adjustment"] = "{}"
    architecture = {"key": "kubernetes.io/arch", "operator": "Equal", "value": "amd64", "effect": "NoSchedule"}
    pod["spec"]["tolerations"] = [*pod["spec"].get("tolerations", []), architecture]
    return pod


def native_sidecar(request: JsonObject) -> JsonObject:
    """Return a pod as Istio changes it with its CNI plugin and native sidecars: both containers before ours, and a token."""
    pod: JsonObject = copy.deepcopy(request["object"])
    pod["metadata"]["labels"]["security.istio.io/tlsMode"] = "istio"
    pod["metadata"]["annotations"]["sidecar.istio.io/status"] = "{}"
    pod["spec"]["initContainers"] = [VALIDATION, PROXY | {"restartPolicy": "Always"}, *pod["spec"]["initContainers"]]
    pod["spec"]["volumes"] = [*pod["spec"]["volumes"], TOKEN]
    return pod


def privileged_init(request: JsonObject) -> JsonObject:
    """Return a pod as meshes change it without a CNI plugin."""
    pod = native_sidecar(request)
    pod["spec"]["initContainers"][0] = {"name": "istio-init", "image": "proxyv2", "securityContext": PRIVILEGED}
    return pod


def holding(request: JsonObject) -> JsonObject:
    """Return a pod whose proxy holds the agent back by a hook of its container."""
    pod: JsonObject = copy.deepcopy(request["object"])
    hook = {"postStart": {"exec": {"command": ["pilot-agent", "wait"]}}}
    pod["spec"]["containers"] = [PROXY | {"lifecycle": hook}, *pod["spec"]["containers"]]
    pod["spec"]["volumes"] = [*pod["spec"]["volumes"], TOKEN]
    return pod


@pytest.mark.parametrize("platform", [autopilot, native_sidecar], ids=lambda platform: platform.__name__)
def test_a_changed_pod_runs_once(platform: Decide, api_cluster: Cluster, account: OperatorAccount, namespace: str) -> None:
    """The admission policies admit the pod as the platform changes it, and the Run completes in its first attempt."""
    with deciding(api_cluster, namespace, platform), account.operator(namespace):
        apply(api_cluster, namespace, run_of("changed"))
        done = await_phase(api_cluster, namespace, "changed", "Completed")
    assert done["agents"][0]["attempt"] == 0
    spec = get(api_cluster, namespace, "pod", "changed-coder-r0")["spec"]
    if platform is autopilot:
        assert all(each["resources"]["requests"] == RAISED for each in [*spec["containers"], *spec["initContainers"]])
    else:
        names = ["istio-validation", "istio-proxy", "runwatchman-reporter"]
        assert [each["name"] for each in spec["initContainers"]] == names


@pytest.mark.parametrize(
    ("platform", "words"),
    [(privileged_init, "each container of a pod that the operator creates is restricted"), (holding, "have no lifecycle")],
    ids=["privileged", "holding"],
)
def test_a_widened_pod_is_refused(
    platform: Decide, words: str, api_cluster: Cluster, account: OperatorAccount, namespace: str
) -> None:
    """A mesh that needs privileges or hooks gets neither: the Run shows the policy's words."""
    with deciding(api_cluster, namespace, platform), account.operator(namespace):
        apply(api_cluster, namespace, run_of("widened"))
        found = await_that(lambda: (s := status(api_cluster, namespace, "widened")).get("reason") == "PodRefused" and s, "it")
    assert words in found["message"]
