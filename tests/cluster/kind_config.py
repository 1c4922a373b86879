"""kind's configuration: nodes that tests can use, and on request a control plane that spares the CPU and not the memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.base import RARE_COLLECTION
from tests.cluster.releases import is_before
from tests.cluster.settings import cache_dir

Patch = dict[str, Any]

POD_RANGE, SERVICE_RANGE = "10.244.0.0/16", "10.96.0.0/16"
ARCHIVES = "/var/runwatchman/cache"
"""The cache on every node, read-only: a node imports images from it."""

NOTICE_LOST_NODES: Patch = {
    "kind": "ClusterConfiguration",
    "controllerManager": {"extraArgs": {"node-monitor-grace-period": "24s"}},
}
"""A lost node is noticed in half of the usual 50 s; a kubelet renews its lease every 10 s.

A patch that names an apiVersion is skipped in silence if kind writes another (v1beta3, and v1beta4 from Kubernetes 1.36): this one
names none, and kind converts its arguments.
"""
FORGETFUL: Patch = {
    "kind": "ClusterConfiguration",
    "etcd": {"local": {"extraArgs": {"unsafe-no-fsync": "true"}}},
}
"""A cluster that ends with its tests may lose its data with the machine: etcd waits for no disk."""
ALONE: Patch = {
    "kind": "ClusterConfiguration",
    "controllerManager": {"extraArgs": {"leader-elect": "false"}},
    "scheduler": {"extraArgs": {"leader-elect": "false"}},
}
"""There is one control plane: its programs renew no Lease every two seconds."""
ENVIRONMENTS_SINCE = "1.36"
"""From this version on kind writes v1beta4, in which a program of the control plane has variables."""
MIRRORS = """[plugins."io.containerd.grpc.v1.cri".registry]
  config_path = "/etc/containerd/certs.d"
"""
"""A node reads its registries' addresses from files there; the official node image is set up so already."""
TAKE_ANY_CGROUPS: Patch = {"kind": "KubeletConfiguration", "failCgroupV1": False}
"""A kubelet from 1.35 does not start on a machine with cgroup v1 otherwise."""

PATCHES = "/etc/kubernetes/patches"
"""The folder with changes of the control plane's pods on its node."""
PATCHED: Patch = {"kind": "InitConfiguration", "patches": {"directory": PATCHES}}
PROBED = "kube-apiserver"
SELDOM_PROBED: Patch = {"spec": {"containers": [{"name": PROBED, "readinessProbe": {"periodSeconds": 10}}]}}
"""kubeadm has the kubelet ask every second whether the API server is ready; nothing here depends on the answer."""
MANAGER = "/etc/systemd/system.conf.d/garbage.conf"
"""Settings of a node's systemd, which starts the kubelet and containerd, and that each runc; kind's own are beside them."""


def config(nodes: int, files: dict[Path, str], *, own: bool, garbage: bool = False) -> Patch:
    """One control plane that also runs pods, and workers, all with these files; our own node image has no CNI daemon."""
    patches = [NOTICE_LOST_NODES, TAKE_ANY_CGROUPS, *([FORGETFUL, ALONE, _rare_collection(), PATCHED] if garbage else [])]
    mounts = [{"hostPath": str(here), "containerPath": there, "readOnly": True} for here, there in files.items()]
    return {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "networking": {"disableDefaultCNI": own, "podSubnet": POD_RANGE, "serviceSubnet": SERVICE_RANGE},
        "nodes": [{"role": role, "extraMounts": mounts} for role in ("control-plane", *["worker"] * (nodes - 1))],
        "containerdConfigPatches": [MIRRORS] if own else [],
        "kubeadmConfigPatches": [yaml.safe_dump(patch) for patch in patches],
    }


def files_of(folder: Path, *, garbage: bool) -> dict[Path, str]:
    """Return what the nodes mount of this machine, by its place there; write what does not exist into a folder."""
    files = {cache_dir(): ARCHIVES}
    if garbage:
        values = " ".join(f"{name}={value}" for name, value in RARE_COLLECTION.items())
        (manager := folder / "garbage.conf").write_text(f"[Manager]\nDefaultEnvironment={values}\n")
        (patches := folder / "patches").mkdir()
        (patches / f"{PROBED}+strategic.json").write_text(json.dumps(SELDOM_PROBED))
        files |= {manager: MANAGER, patches: PATCHES}
    return files


def _rare_collection() -> Patch:
    """Let the control plane collect its garbage rarely, where a program of it can have variables."""
    document: Patch = {"kind": "ClusterConfiguration"}
    if not is_before(ENVIRONMENTS_SINCE):
        document |= {name: _variables() for name in ("apiServer", "controllerManager", "scheduler")}
        document["etcd"] = {"local": _variables()}
    return document


def _variables() -> Patch:
    return {"extraEnvs": [{"name": name, "value": value} for name, value in RARE_COLLECTION.items()]}
