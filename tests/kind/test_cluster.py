"""The cluster itself must behave as a real one, otherwise the results of these tests do not count."""

from __future__ import annotations

import json

import pytest
import yaml

from controller.api.base import JsonObject
from controller.api.crd.kinds import KINDS
from tests.cluster import IN_TIME, Cluster
from tests.cluster.base import RARE_COLLECTION
from tests.cluster.kind import KindCluster
from tests.cluster.kind_config import ALONE, NOTICE_LOST_NODES, SELDOM_PROBED
from tests.kind.installed import Installed
from tests.skipping import cannot_run
from tests.support import apply, await_that, get, items, pods_of

BUSYBOX = "busybox:1.37"


def pod(name: str, script: str, **spec: object) -> JsonObject:
    container = {"name": "main", "image": BUSYBOX, "command": ["sh", "-c", script]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name.rpartition("-")[0] or name}},
        "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "containers": [container], **spec},
    }


def await_pod(cluster: Cluster, namespace: str, name: str, phase: str) -> JsonObject:
    found: JsonObject = await_that(
        lambda: (p := get(cluster, namespace, "pod", name)).get("status", {}).get("phase") == phase and p, f"pod {name} {phase}"
    )
    return found


def test_native_sidecar(kind_cluster: Cluster, namespace: str) -> None:
    """A sidecar starts before the main container, sees its end, and is then ended: the pod succeeds."""
    script = "touch /shared/up; trap 'exit 0' TERM; while :; do sleep 0.2; done"
    sidecar = {"name": "side", "image": BUSYBOX, "restartPolicy": "Always", "command": ["sh", "-c", script]}
    mount = [{"name": "shared", "mountPath": "/shared"}]
    wanted = pod("side-car", "[ -e /shared/up ]", initContainers=[{**sidecar, "volumeMounts": mount}])
    wanted["spec"]["volumes"] = [{"name": "shared", "emptyDir": {}}]
    wanted["spec"]["containers"][0]["volumeMounts"] = mount
    wanted["spec"]["initContainers"][0]["startupProbe"] = {"exec": {"command": ["test", "-e", "/shared/up"]}, "periodSeconds": 1}
    apply(kind_cluster, namespace, wanted)
    await_pod(kind_cluster, namespace, "side-car", "Succeeded")


@pytest.mark.usefixtures("second_node")
def test_service_reaches_both_endpoints_on_both_nodes(kind_cluster: Cluster, namespace: str) -> None:
    """A ClusterIP answers with the bodies of both its endpoints, which are on different nodes."""
    nodes = [node["metadata"]["name"] for node in items(kind_cluster, "default", "nodes")]
    serve = "hostname > /tmp/index.html && exec httpd -f -p 8080 -h /tmp"
    toleration = [{"operator": "Exists"}]
    for number, node in enumerate(nodes[:2]):
        apply(kind_cluster, namespace, pod(f"web-{number}", serve, nodeName=node, tolerations=toleration))
    service = {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}
    apply(kind_cluster, namespace, {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": service})
    for number in range(2):
        await_pod(kind_cluster, namespace, f"web-{number}", "Running")
    address = get(kind_cluster, namespace, "service", "web")["spec"]["clusterIP"]
    ask = f"for i in $(seq 200); do wget -q -O - http://{address}/ 2>/dev/null; done | sort -u > /tmp/seen; "
    ask += 'cat /tmp/seen; [ "$(wc -l < /tmp/seen)" = 2 ]'
    apply(kind_cluster, namespace, pod("client", ask))
    await_pod(kind_cluster, namespace, "client", "Succeeded")
    assert kind_cluster.kubectl("-n", namespace, "logs", "client").split() == ["web-0", "web-1"]


def test_out_of_memory(kind_cluster: Cluster, namespace: str) -> None:
    """A container over its memory limit is killed; the kubelet's reason is racy, its exit code is not."""
    greedy = pod("greedy", "x=a; while :; do x=$x$x; done")
    greedy["spec"]["containers"][0]["resources"] = {"limits": {"memory": "32Mi"}}
    apply(kind_cluster, namespace, greedy)
    found = await_pod(kind_cluster, namespace, "greedy", "Failed")
    ended = found["status"]["containerStatuses"][0]["state"]["terminated"]
    assert ended["reason"] == "OOMKilled" or ended["exitCode"] == 137, ended


def test_claim_binds_and_keeps_what_is_written(kind_cluster: Cluster, namespace: str) -> None:
    """A claim of the default class binds, and a second pod reads what a first one wrote, as another user than root."""
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    apply(kind_cluster, namespace, {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "c"}, "spec": spec})
    for name, script in (("writer", "echo kept > /data/file"), ("reader", "grep kept /data/file")):
        wanted = pod(name, script, securityContext={"runAsUser": 10001, "fsGroup": 10001})
        wanted["spec"]["volumes"] = [{"name": "data", "persistentVolumeClaim": {"claimName": "c"}}]
        wanted["spec"]["containers"][0]["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
        apply(kind_cluster, namespace, wanted)
        await_pod(kind_cluster, namespace, name, "Succeeded")


def test_the_control_plane_has_our_arguments(kind_cluster: Cluster) -> None:
    """The controller-manager gives up a lost node as early as kind's configuration says: kind skips in silence a patch that fits no
    document, as one with an apiVersion does with the next version of Kubernetes.
    """
    if kind_cluster.provider == "existing":
        cannot_run("needs a control plane that the tests configure")
    programs = ("kube-controller-manager", "etcd", "kube-apiserver")
    manager, etcd, server = (next(iter(pods_of(kind_cluster, "kube-system", name).values())) for name in programs)
    arguments = [each["controllerManager"]["extraArgs"] for each in (NOTICE_LOST_NODES, ALONE)]
    wanted = {f"--{name}={value}" for each in arguments for name, value in each.items()}
    assert wanted <= set(manager["spec"]["containers"][0]["command"])
    assert "--unsafe-no-fsync=true" in etcd["spec"]["containers"][0]["command"]
    (probed,) = SELDOM_PROBED["spec"]["containers"]
    assert probed["readinessProbe"].items() <= server["spec"]["containers"][0]["readinessProbe"].items()


def test_a_node_collects_garbage_rarely(kind_cluster: Cluster) -> None:
    """The kubelet and containerd have the variables of the control plane, by the node's systemd."""
    if not isinstance(kind_cluster, KindCluster):
        cannot_run("reads the environment of a node's programs, so only on nodes of our own")
    for node in kind_cluster.nodes:
        for program in ("kubelet", "containerd"):
            environment = kind_cluster.on_node(node, "sh", "-c", f"tr '\\0' '\\n' </proc/$(pidof {program})/environ").splitlines()
            assert {f"{name}={value}" for name, value in RARE_COLLECTION.items()} <= set(environment)


def test_drain(kind_cluster: Cluster, namespace: str) -> None:
    """A drain evicts a pod with a disruption condition."""
    apply(kind_cluster, namespace, pod("here", "trap 'exit 0' TERM; while :; do sleep 0.2; done"))
    node = await_pod(kind_cluster, namespace, "here", "Running")["spec"]["nodeName"]
    try:
        kind_cluster.kubectl("drain", node, "--force", "--ignore-daemonsets", "--pod-selector=app=here", IN_TIME)
        assert not get(kind_cluster, namespace, "pod", "here")
    finally:
        kind_cluster.kubectl("uncordon", node)


def test_every_crd_is_served(kind_cluster: Cluster, release: Installed) -> None:
    """The CRDs are installed and their resources can be listed."""
    served = kind_cluster.kubectl("api-resources", "--api-group=runwatchman.dev", "-o", "name").split()
    assert sorted(served) == sorted(f"{kind.plural}.runwatchman.dev" for kind in KINDS)
    assert json.loads(kind_cluster.kubectl("get", "runs", "-A", "-o", "json"))["kind"] == "List"
    assert yaml.safe_load(kind_cluster.kubectl("get", "crd", "runs.runwatchman.dev", "-o", "yaml"))["spec"]["names"][
        "shortNames"
    ] == ["rwrun"]
