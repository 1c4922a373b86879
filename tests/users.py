"""Real users for tests of permissions: people with certificates, service accounts and pods with tokens of their own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from controller.api.base import JsonObject
from tests.cluster import Cluster
from tests.cluster.certificates import make_pair
from tests.support import apply, get


def person(cluster: Cluster, name: str, *groups: str) -> Cluster:
    """Return the cluster for a user with a certificate of its authority; only for an `api` cluster, whose key we have."""
    subject = "".join(f"/O={group}" for group in groups) + f"/CN={name}"
    make_pair(cluster.directory, name, subject)
    pair = {"client-certificate": f"{cluster.directory}/{name}.crt", "client-key": f"{cluster.directory}/{name}.key"}
    return _as(cluster, name, pair)


def account(cluster: Cluster, namespace: str, name: str) -> Cluster:
    """Return the cluster for a service account with a token that is bound to no pod."""
    return _as(cluster, f"{namespace}-{name}", {"token": token(cluster, namespace, name)})


def operator_account(cluster: Cluster, home: str, runs_in: str | None = None) -> Cluster:
    """Create the operator's account in a new namespace, bound as the chart binds it, and return the cluster for it.

    Its Runs are in the namespace `runs_in`, or everywhere for None; its Leases are in `home`.
    """
    cluster.create_namespace(home)
    create_account(cluster, home, "operator")
    subject = f"--serviceaccount={home}:operator"
    grant(cluster, runs_in, "runwatchman-operator", subject)
    grant(cluster, home, "runwatchman-operator-lease", subject)
    if runs_in:
        grant(cluster, None, "runwatchman-operator-halt", subject)
    return account(cluster, home, "operator")


def create_account(cluster: Cluster, namespace: str, name: str) -> None:
    """Create a service account."""
    made = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}
    cluster.create(f"/api/v1/namespaces/{namespace}/serviceaccounts", made)


def token(cluster: Cluster, namespace: str, name: str, **spec: Any) -> str:
    """Return a token of a service account, by default one that is bound to no pod."""
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    return str(cluster.create(path, asked)["status"]["token"])


def pod(cluster: Cluster, namespace: str, name: str) -> Cluster:
    """Return the cluster for a pod with a token that is bound to it, like a projected one."""
    found = get(cluster, namespace, "pod", name)
    bound = {"apiVersion": "v1", "kind": "Pod", "name": name, "uid": found["metadata"]["uid"]}
    made = token(cluster, namespace, found["spec"]["serviceAccountName"], boundObjectRef=bound)
    return _as(cluster, f"{namespace}-{name}-{found['metadata']['uid']}", {"token": made})


def posing(user: Cluster, name: str, account: str, **extra: str) -> Cluster:
    """Return the cluster for a user who poses as an account, with claims of a token's `extra`."""
    config: JsonObject = yaml.safe_load(user.kubeconfig.read_text())
    config["users"][0]["user"] |= {"as": account, "as-user-extra": {key: [value] for key, value in extra.items()}}
    return replace(user, kubeconfig=_write(user.directory / f"{name}.kubeconfig", config))


def nobody(cluster: Cluster) -> Cluster:
    """Return the cluster for a client without any credential."""
    # kubectl prompts at a terminal if it has no credential at all; this API server ignores a name and password.
    return _as(cluster, "nobody", {"username": "nobody", "password": "none"})


def grant(cluster: Cluster, namespace: str | None, role: str, *subjects: str) -> None:
    """Bind a ClusterRole in a namespace, or everywhere for None; subjects are `--user=`, `--group=` or `--serviceaccount=`."""
    name = "-".join([role, *subjects]).replace("=", "-").replace("--", "").replace(":", "-")
    binding: JsonObject = {"apiVersion": RBAC, "kind": "ClusterRoleBinding" if namespace is None else "RoleBinding"}
    binding |= {"metadata": {"name": name}, "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": role}}
    place = "clusterrolebindings" if namespace is None else f"namespaces/{namespace}/rolebindings"
    cluster.create(f"/apis/{RBAC}/{place}", binding | {"subjects": [_subject(each) for each in subjects]})


def _subject(flag: str) -> JsonObject:
    """Return the subject of a flag of `kubectl create rolebinding`."""
    kind, _, name = flag.removeprefix("--").partition("=")
    if kind == "serviceaccount":
        namespace, _, name = name.partition(":")
        return {"kind": "ServiceAccount", "namespace": namespace, "name": name}
    return {"apiGroup": GROUP, "kind": kind.capitalize(), "name": name}


def let_author(cluster: Cluster, namespace: str, *subjects: str) -> None:
    """Let subjects write Runs in a namespace, and create the pods and claims that they cause, which `runwatchman-edit` does not
    allow.
    """
    grant(cluster, namespace, "runwatchman-edit", *subjects)
    creator: JsonObject = {"apiVersion": RBAC, "kind": "ClusterRole", "metadata": {"name": "test-pod-creator"}}
    creator["rules"] = [{"apiGroups": [""], "resources": ["pods", "persistentvolumeclaims"], "verbs": ["create"]}]
    apply(cluster, namespace, creator)
    grant(cluster, namespace, "test-pod-creator", *subjects)


GROUP = "rbac.authorization.k8s.io"
RBAC = f"{GROUP}/v1"


def _as(cluster: Cluster, name: str, user: dict[str, str]) -> Cluster:
    view = ("config", "view", "--raw", "--minify", "-o", "yaml")  # only somebody else's kubeconfig may have other clusters, too
    config = yaml.safe_load(cluster.kubectl(*view) if cluster.provider == "existing" else cluster.kubeconfig.read_text())
    config["users"] = [{"name": config["contexts"][0]["context"]["user"], "user": user}]
    path = _write(cluster.directory / f"{name}.kubeconfig", config)
    return replace(cluster, kubeconfig=path)


def _write(path: Path, config: dict[str, Any]) -> Path:
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(config))
    return path
