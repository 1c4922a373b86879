"""A control plane as processes: etcd, kube-apiserver, controller-manager, scheduler; kwok's simulated nodes on request."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import yaml

from tests.cluster import processes
from tests.cluster.base import RARE_COLLECTION, Cluster
from tests.cluster.binaries import find
from tests.cluster.certificates import CLIENTS, make_certificates, write_kubeconfig
from tests.cluster.processes import Record, wait_until
from tests.cluster.progress import ClusterError, taking
from tests.cluster.releases import release
from tests.cluster.settings import HERE

CONTROL_PLANE = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl"]
READY_SECONDS = 90.0
ETCD_BYTES = 8 * 2**30
"""Ten thousand Runs write gigabytes of versions between two compactions."""
VOLUMES = 20
"""For the claims of Runs on simulated nodes."""
AUDIT_POLICY = HERE / "audit-policy.yaml"
STAGES = HERE / "kwok-stages.yaml"


def start_api(name: str, directory: Path, *, kwok_nodes: int, keep: bool, controllers: str, garbage: bool) -> Cluster:
    """Start a control plane; `controllers` are those of the controller-manager, which like the others may leave much garbage.

    Raises ClusterError, with the path of the log, if a component does not start.
    """
    programs = find(CONTROL_PLANE + (["kwok"] if kwok_nodes else []))
    record = Record(directory / "processes")
    client, peer, secure = _free_ports(3)
    server = f"https://127.0.0.1:{secure}"
    with taking(f"control plane {name}", "7 s"):
        make_certificates(directory)
        kubeconfigs = {part: write_kubeconfig(directory, part, server) for part in CLIENTS}
        audit = directory / "audit.jsonl"
        cluster = Cluster(name, "api", directory, kubeconfigs["admin"], programs["kubectl"], audit)
        commands = _commands(programs, directory, (client, peer, secure))
        commands["kube-controller-manager"].append(f"--controllers={controllers}")
        for part, command in commands.items():
            env = os.environ | RARE_COLLECTION if garbage else None
            processes.start(record, part, command, directory / f"{part}.log", keep=keep, env=env)
            if part == "kube-apiserver":
                _await_ready(cluster)
        if kwok_nodes:
            _simulate_nodes(cluster, programs["kwok"], kwok_nodes, keep=keep)
    return cluster


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [opened.getsockname()[1] for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports


def _await_ready(cluster: Cluster) -> None:
    def ready() -> bool:
        return cluster.kubectl("get", "--raw", "/readyz", check=False).strip() == "ok"

    if not wait_until(ready, READY_SECONDS, 0.2):
        tail = (cluster.directory / "kube-apiserver.log").read_text()[-1500:]
        cluster.export_logs(Path("artifacts") / cluster.name)
        raise ClusterError(f"kube-apiserver of {cluster.name} did not become ready in {READY_SECONDS:.0f} s:\n{tail}")


def _commands(programs: dict[str, Path], folder: Path, ports: tuple[int, int, int]) -> dict[str, list[str]]:
    client, peer, secure = ports
    etcd, at = f"http://127.0.0.1:{client}", f"http://127.0.0.1:{peer}"
    flags = {
        "etcd": {
            "data-dir": f"{folder}/etcd",
            "listen-client-urls": etcd,
            "advertise-client-urls": etcd,
            "listen-peer-urls": at,
            "initial-advertise-peer-urls": at,
            "initial-cluster": f"default={at}",
            "unsafe-no-fsync": "true",
            "quota-backend-bytes": str(ETCD_BYTES),
        },
        "kube-apiserver": {
            "etcd-servers": etcd,
            "secure-port": str(secure),
            "bind-address": "127.0.0.1",
            "advertise-address": "10.0.0.1",
            "endpoint-reconciler-type": "none",
            "client-ca-file": f"{folder}/ca.crt",
            "tls-cert-file": f"{folder}/apiserver.crt",
            "tls-private-key-file": f"{folder}/apiserver.key",
            "service-account-key-file": f"{folder}/sa.pub",
            "service-account-signing-key-file": f"{folder}/sa.key",
            "service-account-issuer": "https://kubernetes.default.svc",
            "service-cluster-ip-range": "10.96.0.0/16",
            "authorization-mode": "Node,RBAC",
            "allow-privileged": "true",
            "audit-policy-file": str(AUDIT_POLICY),
            "audit-log-path": f"{folder}/audit.jsonl",
            "audit-log-maxsize": "1000",
        },
        "kube-controller-manager": {
            "kubeconfig": f"{folder}/controller-manager.kubeconfig",
            "authentication-kubeconfig": f"{folder}/controller-manager.kubeconfig",
            "authorization-kubeconfig": f"{folder}/controller-manager.kubeconfig",
            "service-account-private-key-file": f"{folder}/sa.key",
            "root-ca-file": f"{folder}/ca.crt",
            "use-service-account-credentials": "true",
            "leader-elect": "false",
            "secure-port": "0",
            "kube-api-qps": "1000",
            "kube-api-burst": "2000",
        },
        "kube-scheduler": {
            "kubeconfig": f"{folder}/scheduler.kubeconfig",
            "authentication-kubeconfig": f"{folder}/scheduler.kubeconfig",
            "authorization-kubeconfig": f"{folder}/scheduler.kubeconfig",
            "leader-elect": "false",
            "secure-port": "0",
            "kube-api-qps": "1000",
            "kube-api-burst": "2000",
        },
    }
    return {part: [str(programs[part]), *(f"--{key}={value}" for key, value in given.items())] for part, given in flags.items()}


def _simulate_nodes(cluster: Cluster, kwok: Path, count: int, *, keep: bool) -> None:
    """Start kwok and create its nodes: their pods run by the stages in kwok-stages.yaml."""
    command = [str(kwok), "--kubeconfig", f"{cluster.directory}/kwok.kubeconfig", "--manage-all-nodes=true"]
    stages = cluster.directory / STAGES.name
    stages.write_text(STAGES.read_text().replace("KUBELET_VERSION", f"v{release().kubernetes}"))
    command += ["--node-lease-duration-seconds=40", "--config", str(stages)]
    nodes = [_node(f"node-{number}") for number in range(count)]
    volumes = [_volume(f"volume-{number}") for number in range(VOLUMES)]
    cluster.kubectl("apply", "-f", str(HERE / "storage-class.yaml"), "-f", "-", stdin=yaml.safe_dump_all(nodes + volumes))
    processes.start(Record(cluster.directory / "processes"), "kwok", command, cluster.directory / "kwok.log", keep=keep)
    cluster.kubectl("wait", "node", "--all", "--for=condition=Ready", "--timeout=60s")


def _volume(name: str) -> dict[str, object]:
    """Return a volume for a claim to bind to; no data is ever written to it."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": "10Gi"},
            "accessModes": ["ReadWriteOnce", "ReadWriteMany"],
            "storageClassName": "standard",
            "hostPath": {"path": "/nowhere"},
        },
    }


def _node(name: str) -> dict[str, object]:
    capacity = {"cpu": "1000", "memory": "10Ti", "pods": "10000"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "status": {"capacity": capacity, "allocatable": capacity},
    }
