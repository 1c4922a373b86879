"""A release for each of the chart's stores, at once: each watches a namespace of its own and owns nothing cluster-wide."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from controller.api.base import JsonObject
from tests.chart.helm import NAMESPACE
from tests.cluster import Cluster
from tests.cluster.kind import KindCluster
from tests.kind.installed import PLAIN, Installed

STORES = ("status", "annotations", "sqlite", "postgresql")
SECOND: JsonObject = {
    "crds": {"install": False},
    "rbac": {"clusterRoles": False},
    "admissionPolicies": {"install": False},
    "uninstall": {"releasePods": False},
}
"""Values of a release in addition to the one that owns the cluster-wide objects."""
LEASE: JsonObject = {"lease": {"durationSeconds": 30, "renewDeadlineSeconds": 20, "retryPeriodSeconds": 1}}
"""The holders have different identities: an unreachable operator must not be taken for its successor."""
STAYS: JsonObject = {"nodeSelector": {"node-role.kubernetes.io/control-plane": ""}}
MOVES: JsonObject = {
    "affinity": {
        "nodeAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {
                    "weight": 100,
                    "preference": {
                        "matchExpressions": [{"key": "node-role.kubernetes.io/control-plane", "operator": "DoesNotExist"}]
                    },
                }
            ]
        }
    },
    "tolerations": [
        {"key": f"node.kubernetes.io/{what}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 2}
        for what in ("unreachable", "not-ready")
    ],
}
"""On a worker if there is one; it is evicted from a lost one at once instead of after five minutes."""
SEES_NODES = "each-store-sees-nodes"
"""A right that the chart does not give to an operator of some namespaces: without it lost nodes are not noticed (docs/security.md).
"""
DATABASE = "database-of-each-store"
"""The Secret with its URL."""


@contextmanager
def release_of_each(cluster: Cluster, home: Path, database: str | None) -> Iterator[dict[str, Installed]]:
    """Install releases by their stores; on nodes of our own the first is on a worker and moves, the others stay with the API
    server.

    Each has a namespace of its release's name. PostgreSQL is left out if pods can reach no database.
    """
    made = {kind: Installed(cluster, home, f"kept-{kind}") for kind in (STORES if database else STORES[:-1])}
    _prepare(cluster, made, database)
    with ThreadPoolExecutor(len(made)) as pool:
        list(pool.map(lambda kind: made[kind].run_with(*_values(cluster, kind), {"namespaces": [made[kind].release]}), made))
        yield made
        if cluster.provider == "existing":  # a cluster of ours is deleted as it is
            list(pool.map(Installed.uninstall, made.values()))
            cluster.kubectl("delete", "clusterrole,clusterrolebinding", SEES_NODES)
            cluster.kubectl("delete", "namespace", *(installed.release for installed in made.values()))


def _prepare(cluster: Cluster, made: dict[str, Installed], database: str | None) -> None:
    """Create the namespaces, let the releases' accounts read nodes, and store the database's URL."""
    for installed in made.values():
        cluster.kubectl("create", "namespace", installed.release)
    group = f"--group=system:serviceaccounts:{NAMESPACE}"
    cluster.kubectl("create", "clusterrole", SEES_NODES, "--verb=get,list,watch", "--resource=nodes")
    cluster.kubectl("create", "clusterrolebinding", SEES_NODES, f"--clusterrole={SEES_NODES}", group)
    if database:
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": DATABASE}, "stringData": {"url": database}}
        cluster.kubectl("-n", NAMESPACE, "apply", "-f", "-", stdin=json.dumps(secret))


def _values(cluster: Cluster, kind: str) -> tuple[JsonObject, ...]:
    """Return the chart's values for a kind of store."""
    external = {"type": "external", "external": {"existingSecret": DATABASE}}
    where = (MOVES if kind == STORES[0] else STAYS) if isinstance(cluster, KindCluster) else {}
    return (LEASE, PLAIN, SECOND, where, {"store": external if kind == "postgresql" else {"type": kind}})
