"""The metrics of an installed operator, read as docs/operations.md describes: by a permitted account, through a forwarded port."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests import users
from tests.cluster import Cluster
from tests.support import ask

READER = "test-metrics-reader"
"""The account, and its binding."""
FORWARDED = re.compile(r"127\.0\.0\.1:(\d+)")


def scrape(cluster: Cluster, namespace: str, pod: str, port: int) -> tuple[int, str]:
    """Return the code and body of /metrics, with the right to read it; (0, '') without an answer."""
    with reader(cluster, namespace) as token, forwarded(cluster, namespace, pod, port) as here:
        return ask(f"https://127.0.0.1:{here}/metrics", token)


@contextmanager
def reader(cluster: Cluster, namespace: str) -> Iterator[str]:
    """Yield the token of an account that may read metrics while the context lasts."""
    cluster.kubectl("-n", namespace, "create", "serviceaccount", READER)
    subject = f"--serviceaccount={namespace}:{READER}"
    try:
        cluster.kubectl("create", "clusterrolebinding", READER, "--clusterrole=runwatchman-metrics-reader", subject)
        yield users.token(cluster, namespace, READER)
    finally:
        cluster.kubectl("delete", "clusterrolebinding", READER, "--ignore-not-found")
        cluster.kubectl("-n", namespace, "delete", "serviceaccount", READER)


@contextmanager
def forwarded(cluster: Cluster, namespace: str, pod: str, port: int) -> Iterator[int]:
    """Yield a port of this machine that is forwarded to a pod's, or to that of `deployment/NAME`.

    Raises AssertionError if kubectl forwards none.
    """
    words = ["-n", namespace, "port-forward", pod if "/" in pod else f"pod/{pod}", f":{port}", "--address=127.0.0.1"]
    command = [str(cluster.kubectl_path), "--kubeconfig", str(cluster.kubeconfig), *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert process.stdout
        said = process.stdout.readline()
        found = FORWARDED.search(said)
        assert found, said
        yield int(found[1])
    finally:
        process.kill()
        process.communicate()
