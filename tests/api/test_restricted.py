"""Agents' pods in a namespace that enforces Pod Security `restricted`, and the example NetworkPolicy for them."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml

from controller.api.base import JsonObject
from controller.api.checks import check_run, parse_run_spec
from controller.api.shapes import Items, Leaf, Typed, Unset, Values
from controller.api.template import PROBE, TEMPLATE
from controller.plan.snapshot import RunFacts
from controller.resources.pod_builder import build_pod
from controller.resources.reporter_sidecar import Sidecar
from tests import users
from tests.cluster import Cluster
from tests.support import apply

EXAMPLE = Path(__file__).parents[2] / "manifests/examples/network/agents.yaml"
RUN_UID = "6e0a9d1c-6f5e-4a2f-9d8e-0b1c2d3e4f5a"
KEY = {"name": "n", "key": "k", "optional": True}
ITEMS = [{"key": "k", "path": "p", "mode": 256}]
FILES: list[JsonObject] = [
    {"path": "a", "mode": 256, "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}},
    {"path": "b", "resourceFieldRef": {"containerName": "agent", "resource": "limits.cpu", "divisor": 1}},
]
TIMES = {"periodSeconds": 9, "timeoutSeconds": 9, "successThreshold": 1, "failureThreshold": 9, "initialDelaySeconds": 9}
CONFINED: JsonObject = {
    "runAsUser": 3000,
    "runAsGroup": 3000,
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
    "appArmorProfile": {"type": "RuntimeDefault"},
}
MOUNTED = {"readOnly": True, "recursiveReadOnly": "IfPossible", "mountPropagation": "None"}
CONTAINER: JsonObject = {
    "name": "agent",
    "image": "x",
    "command": ["c"],
    "args": ["a"],
    "workingDir": "/w",
    "env": [
        {"name": "A", "value": "v"},
        {"name": "B", "valueFrom": {"secretKeyRef": KEY}},
        {"name": "C", "valueFrom": {"configMapKeyRef": KEY}},
        {"name": "D", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}},
        {"name": "E", "valueFrom": {"resourceFieldRef": {"containerName": "agent", "resource": "limits.cpu", "divisor": "1m"}}},
    ],
    "envFrom": [{"prefix": "P_", "secretRef": {"name": "n", "optional": True}}, {"configMapRef": {"name": "n", "optional": True}}],
    "resources": {"limits": {"cpu": 0.5, "memory": 1073741824}, "requests": {"cpu": "100m", "memory": "1Gi"}},
    "volumeMounts": [{"name": "scratch", "mountPath": "/scratch", "subPath": "s", **MOUNTED}],
    "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
    "imagePullPolicy": "IfNotPresent",
    "terminationMessagePolicy": "File",
    "terminationMessagePath": "/dev/termination-log",
    "stdin": True,
    "stdinOnce": False,
    "tty": True,
    "startupProbe": {"exec": {"command": ["true"]}, "terminationGracePeriodSeconds": 9, **TIMES},
    "readinessProbe": {
        "httpGet": {"path": "/", "port": "http", "scheme": "HTTP", "httpHeaders": [{"name": "h", "value": "v"}]},
    },
    "livenessProbe": {"grpc": {"port": 9, "service": "s"}},
    "securityContext": {
        **CONFINED,
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "privileged": False,
        "procMount": "Default",
        "capabilities": {"drop": ["NET_RAW"], "add": []},
    },
}
SIDECAR: JsonObject = {
    **{key: value for key, value in CONTAINER.items() if key not in ("env", "volumeMounts")},
    "name": "proxy",
    "ports": [{"name": "proxy", "containerPort": 8081, "protocol": "TCP"}],
    "restartPolicy": "Always",
    "livenessProbe": {"tcpSocket": {"port": 9}},
}
VOLUMES: list[JsonObject] = [
    {"name": "scratch", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}},
    {"name": "secret", "secret": {"secretName": "n", "items": ITEMS, "defaultMode": 256, "optional": True}},
    {"name": "map", "configMap": {"name": "n", "items": ITEMS, "defaultMode": 256, "optional": True}},
    {"name": "claim", "persistentVolumeClaim": {"claimName": "n", "readOnly": True}},
    {"name": "down", "downwardAPI": {"items": FILES, "defaultMode": 256}},
    {
        "name": "all",
        "projected": {
            "defaultMode": 256,
            "sources": [
                {"secret": {"name": "n", "items": ITEMS, "optional": True}},
                {"configMap": {"name": "n", "items": [{**ITEMS[0], "path": "q"}], "optional": True}},
                {"downwardAPI": {"items": FILES}},
                {"serviceAccountToken": {"audience": "sts.amazonaws.com", "path": "t", "expirationSeconds": 600}},
            ],
        },
    },
]
SELECTOR = {"matchLabels": {"team": "a"}, "matchExpressions": [{"key": "tier", "operator": "In", "values": ["front"]}]}
SPREAD = {
    "maxSkew": 1,
    "minDomains": 2,
    "topologyKey": "zone",
    "whenUnsatisfiable": "DoNotSchedule",
    "labelSelector": SELECTOR,
    "matchLabelKeys": ["pod-template-hash"],
    "nodeAffinityPolicy": "Honor",
    "nodeTaintsPolicy": "Ignore",
}
NODE_TERM = {
    "matchExpressions": [{"key": "kubernetes.io/arch", "operator": "NotIn", "values": ["s390x"]}],
    "matchFields": [{"key": "metadata.name", "operator": "NotIn", "values": ["node-1"]}],
}
POD_TERM = {"labelSelector": SELECTOR, "topologyKey": "zone", "matchLabelKeys": ["a"], "mismatchLabelKeys": ["b"]}
NEAR = {
    "requiredDuringSchedulingIgnoredDuringExecution": [POD_TERM],
    "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": POD_TERM}],
}
AFFINITY = {
    "nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [NODE_TERM]},
        "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "preference": NODE_TERM}],
    },
    "podAffinity": NEAR,
    "podAntiAffinity": NEAR,
}
TOLERATIONS: list[JsonObject] = [
    {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5},
    {"key": "spot", "operator": "Equal", "value": "yes"},
]
EVERYTHING: JsonObject = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "labels": {"team": "a"},
        "annotations": {"note": "x"},
        **dict.fromkeys(("name", "generateName", "creationTimestamp", "uid", "resourceVersion", "selfLink"), "x"),
        "namespace": "restricted",
        "generation": 1,
        "managedFields": [],
    },
    "status": {"phase": "Pending"},
    "spec": {
        "containers": [CONTAINER],
        "initContainers": [SIDECAR],
        "volumes": VOLUMES,
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": TOLERATIONS,
        "affinity": AFFINITY,
        "topologySpreadConstraints": [SPREAD],
        "runtimeClassName": "sandbox",
        "schedulerName": "default-scheduler",
        "schedulingGates": [{"name": "kueue.x-k8s.io/admission"}],
        "priorityClassName": "batch",
        "imagePullSecrets": [{"name": "n"}],
        "terminationGracePeriodSeconds": 30,
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            **CONFINED,
            "fsGroup": 3000,
            "fsGroupChangePolicy": "OnRootMismatch",
            "supplementalGroups": [3001],
            "supplementalGroupsPolicy": "Strict",
        },
        "dnsPolicy": "ClusterFirst",
        "dnsConfig": {
            "nameservers": ["10.96.0.10"],
            "searches": ["svc.cluster.local"],
            "options": [{"name": "ndots", "value": "1"}],
        },
        "hostAliases": [{"ip": "10.0.0.7", "hostnames": ["model.internal"]}],
        "setHostnameAsFQDN": False,
        "hostUsers": False,
        "hostNetwork": False,
        "hostPID": False,
        "hostIPC": False,
    },
}
"""A template with every allowed field."""

CLASSES: list[JsonObject] = [
    {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "batch"}, "value": 1},
    {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "sandbox"}, "handler": "runsc"},
]
AGENTS: dict[str, JsonObject] = {
    "short form": {"image": "x"},
    "short form with a workspace": {"image": "x", "workspace": {}},
    "template of one container": {"template": {"spec": {"containers": [{"name": "agent", "image": "x"}]}}},
    "template with everything": {"template": EVERYTHING},
}
SIDECARS = {"no reporter": None, "Full": Sidecar("x"), "NoSharedPID": Sidecar("x", shared_processes=False)}


@pytest.fixture(scope="module")
def restricted(api_cluster: Cluster) -> Iterator[str]:
    """A namespace that enforces `restricted`, with the reporters' account and the classes that the template names."""
    name = "restricted"
    api_cluster.kubectl("create", "namespace", name)
    api_cluster.kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    api_cluster.kubectl("-n", name, "create", "serviceaccount", "runwatchman-reporter")
    apply(api_cluster, name, *CLASSES)
    yield name
    api_cluster.kubectl("delete", "namespace", name, "--wait=false")
    api_cluster.kubectl("delete", "priorityclass/batch", "runtimeclass/sandbox")


def pod_of(agent: JsonObject, sidecar: Sidecar | None) -> JsonObject:
    """Return the pod of a valid agent."""
    spec = parse_run_spec({"spec": {"agents": [{"name": "coder", **copy.deepcopy(agent)}], "brief": "do it"}})
    assert check_run(spec) == ()
    pod = build_pod(RunFacts("restricted", "r", RUN_UID, 1, spec), spec.agents[0], 0, "", None, sidecar)
    if sidecar is None:  # a token for a cloud needs the account of reporters
        for volume in pod["spec"]["volumes"]:
            sources = volume.get("projected", {}).get("sources", [])
            sources[:] = [source for source in sources if "serviceAccountToken" not in source]
    return pod


def create(cluster: Cluster, namespace: str, pod: JsonObject) -> str:
    """Return the answer to a strict dry-run create."""
    args = ("create", "--dry-run=server", "--validate=strict", "-f", "-")
    return cluster.kubectl("-n", namespace, *args, stdin=json.dumps(pod), check=False)


@pytest.fixture(scope="module")
def operator(api_cluster: Cluster, restricted: str) -> Iterator[Cluster]:
    """The operator's own account, which our admission policies restrict to agents' pods."""
    home = f"{restricted}-home"
    api_cluster.kubectl("create", "namespace", home)
    api_cluster.kubectl("-n", home, "create", "serviceaccount", "operator")
    users.grant(api_cluster, restricted, "runwatchman-operator", f"--serviceaccount={home}:operator")
    yield users.account(api_cluster, home, "operator")
    api_cluster.kubectl("delete", "namespace", home, "--wait=false")


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize("sidecar", SIDECARS)
def test_every_pod_that_is_built_is_admitted(operator: Cluster, restricted: str, agent: str, sidecar: str) -> None:
    """The pod of any allowed Run passes Pod Security `restricted`, strict validation, and the policies for the operator."""
    said = create(operator, restricted, pod_of(AGENTS[agent], SIDECARS[sidecar]))
    assert "created (server dry run)" in said
    assert "arning" not in said


def test_the_namespace_refuses_what_is_not_restricted(api_cluster: Cluster, restricted: str) -> None:
    """The same pod with one setting undone is refused: the test above can fail."""
    pod = pod_of(AGENTS["short form"], None)
    pod["spec"]["securityContext"]["runAsNonRoot"] = False
    assert 'violates PodSecurity "restricted:latest"' in create(api_cluster, restricted, pod)


def missing(value: Any, shape: Any, path: str = "") -> Iterator[str]:
    """Return the allowed fields that none of the values has."""
    if isinstance(shape, Typed):
        yield from missing(value, shape.shape, path)
    elif isinstance(shape, Items):
        yield from missing([item for found in value for item in found], shape.shape, f"{path}[]")
    elif isinstance(shape, dict):
        for key, below in ((key, below) for key, below in shape.items() if not isinstance(below, Unset)):
            found = [each[key] for each in value if key in each]
            yield from missing(found, below, f"{path}.{key}") if found else iter([f"{path}.{key}"])
    else:
        assert isinstance(shape, Leaf | Values)


PROBES = ("startupProbe", "readinessProbe", "livenessProbe")


def test_the_template_with_everything_has_everything() -> None:
    """The template has each field of the list of allowed ones; add a field here when you add it there.

    Each kind of probe appears once.
    """
    lacks = [path for path in missing([EVERYTHING], TEMPLATE) if not any(f"{probe}." in path for probe in PROBES)]
    own = (".initContainers[].env", ".initContainers[].volumeMounts")
    assert [path for path in lacks if not path.endswith(own)] == []
    assert list(missing([found[probe] for found in (CONTAINER, SIDECAR) for probe in PROBES], PROBE)) == []


def allows(policy: JsonObject, address: str, port: int) -> bool:
    """Whether a policy's egress rules let an agent reach an address outside of the cluster's pods."""
    return any(
        port in [allowed["port"] for allowed in rule["ports"]]
        and ip_address(address) in ip_network(block["cidr"])
        and not any(ip_address(address) in ip_network(left_out) for left_out in block.get("except", ()))
        for rule in policy["spec"]["egress"]
        for block in (to["ipBlock"] for to in rule["to"] if "ipBlock" in to)
    )


REACHED = {
    ("1.1.1.1", 443): True,
    ("172.18.0.2", 6443): True,  # the API server
    ("1.1.1.1", 80): False,
    ("169.254.169.254", 80): False,  # the cloud's metadata
    ("169.254.169.254", 443): False,
    ("10.96.0.1", 443): False,
    ("10.244.1.7", 443): False,  # a pod
    ("172.18.0.2", 10250): False,  # a kubelet
    ("192.168.1.1", 443): False,
}


def test_the_network_policy_leaves_an_agent_what_it_needs(api_cluster: Cluster, restricted: str) -> None:
    """The API server accepts the example, which selects agents' pods only, and allows only the connections that an agent needs."""
    policy = yaml.safe_load(EXAMPLE.read_text())
    apply(api_cluster, restricted, policy)
    other: JsonObject = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "other"}}
    other["spec"] = pod_of(AGENTS["short form"], None)["spec"]
    apply(api_cluster, restricted, other, pod_of(AGENTS["short form"], None))
    key = policy["spec"]["podSelector"]["matchExpressions"][0]["key"]
    chosen = api_cluster.kubectl("-n", restricted, "get", "pods", "-l", key, "-o", "name").split()
    api_cluster.kubectl("-n", restricted, "patch", "pod/r-coder-r0", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    assert chosen == ["pod/r-coder-r0"]
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in policy["spec"]
    assert {to: allows(policy, *to) for to in REACHED} == REACHED
