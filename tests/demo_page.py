"""The page of the demo: `kubectl rw web` runs while the demo does, and its address is printed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster import Cluster
from tests.cluster.processes import STOP_SECONDS, _die_with_parent


@contextmanager
def page(cluster: Cluster, namespace: str) -> Iterator[str]:
    """Serve the page and yield its address, which opens one session; empty if it cannot start."""
    command = [str(Path(sys.executable).with_name("kubectl-rw")), "--kubeconfig", str(cluster.kubeconfig), "-n", namespace]
    process = subprocess.Popen(
        [*command, "web", "--no-browser"],
        env=os.environ | {"KUBECTL": str(cluster.kubectl_path)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=_die_with_parent,  # noqa: PLW1509  # no threads run yet
    )
    try:
        yield process.stdout.readline().strip() if process.stdout else ""
    finally:
        process.terminate()
        process.communicate(timeout=STOP_SECONDS)
