"""Kueue at work on an API server's cluster: its manifests, as its module has them, and its controllers as a process."""

from __future__ import annotations

import base64
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from controller.api.base import JsonObject
from tests import users
from tests.cluster import Cluster, processes
from tests.cluster.binaries import find
from tests.cluster.certificates import make_pair
from tests.cluster.gobuild.queueing import MANIFESTS, PROGRAM
from tests.cluster.processes import Record
from tests.support import apply, await_that

HOME, ACCOUNT = "kueue-system", "controller-manager"
POD_HOOKS = ("mpod.kb.io", "vpod.kb.io")
OWN_HOOKS = "kueue.x-k8s.io"


@contextmanager
def kueue(cluster: Cluster, namespace: str) -> Iterator[None]:
    """Let Kueue manage the pods of a namespace."""
    folder = find(["kueue"])["kueue"]
    shipped = [found for found in yaml.safe_load_all((folder / MANIFESTS).read_text()) if found]
    crds = [found for found in shipped if found["kind"] == "CustomResourceDefinition"]
    port = _free_port()
    hooks = [_at(found, cluster, namespace, port) for found in shipped if found["kind"].endswith("WebhookConfiguration")]
    role = next(found for found in shipped if found["kind"] == "ClusterRole")
    everything = [*crds, role, _bound(role), *hooks, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": HOME}}]
    apply(cluster, namespace, everything[-1])
    cluster.kubectl("-n", HOME, "create", "serviceaccount", ACCOUNT)
    cluster.kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump_all([*crds, role, _bound(role)]))
    cluster.kubectl("wait", "crd", *(crd["metadata"]["name"] for crd in crds), "--for=condition=Established", "--timeout=60s")
    process = _manager(users.account(cluster, HOME, ACCOUNT), folder / PROGRAM, port)
    try:
        await_that(lambda: _listens(port), f"Kueue's webhooks: see {cluster.directory}/kueue.log")
        apply(cluster, namespace, *hooks)
        yield
        _empty(cluster, namespace)
    finally:
        os.kill(process, signal.SIGKILL)
        named = [{key: each[key] for key in ("apiVersion", "kind", "metadata")} for each in everything]
        cluster.kubectl("delete", "--wait=false", "--ignore-not-found", "-f", "-", stdin=yaml.safe_dump_all(named))


def _bound(role: JsonObject) -> JsonObject:
    """Return the binding of Kueue's role to its account."""
    kind = "ClusterRoleBinding"
    subject = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": HOME}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role["metadata"]["name"]}
    return {"apiVersion": users.RBAC, "kind": kind, "metadata": {"name": "kueue"}, "roleRef": reference, "subjects": [subject]}


def _manager(account: Cluster, program: Path, port: int) -> int:
    """Start Kueue with its own account, and return its process."""
    certificates = account.directory / "kueue"
    certificates.mkdir(exist_ok=True)
    make_pair(account.directory, "kueue", "/CN=kueue", "subjectAltName=IP:127.0.0.1")
    for suffix in ("crt", "key"):
        (certificates / f"tls.{suffix}").write_bytes((account.directory / f"kueue.{suffix}").read_bytes())
    command = [str(program), "--kubeconfig", str(account.kubeconfig), "--webhook-port", str(port), "--cert-dir", str(certificates)]
    record = Record(account.directory / "processes")
    return processes.start(record, "kueue", command, account.directory / "kueue.log", keep=False)


def _at(found: JsonObject, cluster: Cluster, namespace: str, port: int) -> JsonObject:
    """Return a webhook configuration with the hooks of pods and of Kueue's own objects, at this port."""
    authority = base64.b64encode((cluster.directory / "ca.crt").read_bytes()).decode()
    kept = []
    for hook in found["webhooks"]:
        path = hook["clientConfig"]["service"]["path"]
        hook["clientConfig"] = {"url": f"https://127.0.0.1:{port}{path}", "caBundle": authority}
        if hook["name"] in POD_HOOKS:
            kept.append({**hook, "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}})
        elif any(OWN_HOOKS in rule["apiGroups"] for rule in hook["rules"]):
            kept.append(hook)
    return {**found, "metadata": {"name": f"kueue-{found['metadata']['name']}"}, "webhooks": kept}


def _empty(cluster: Cluster, namespace: str) -> None:
    """Delete the objects whose finalizers Kueue removes."""
    for kinds in ("workloads,localqueues", "clusterqueues,resourceflavors,workloadpriorityclasses"):
        cluster.kubectl("-n", namespace, "delete", kinds, "--all", "--timeout=60s")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as opened:
        port: int = opened.getsockname()[1]
    return port


def _listens(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0
