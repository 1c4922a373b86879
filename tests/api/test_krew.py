"""`kubectl rw` as krew installs it: from the manifest and the archive of `make cli`, for a user whose Python has no package."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.cluster import Cluster
from tests.cluster.binaries import find
from tests.cluster.processes import run
from tests.single_file import HERE, build
from tests.support import OperatorProcess, await_phase


@pytest.fixture
def user(api_cluster: Cluster, tmp_path: Path) -> dict[str, str]:
    """The environment of a user: krew's folder and a Python without packages on PATH, the cluster in the kubeconfig."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python3").symlink_to(getattr(sys, "_base_executable", sys.executable))
    (tmp_path / "bin/kubectl").symlink_to(api_cluster.kubectl_path)
    path = f"{tmp_path}/krew/bin:{tmp_path}/bin:{os.defpath}"
    mine = {"HOME": str(tmp_path), "KREW_ROOT": str(tmp_path / "krew"), "PATH": path, "PYTHONNOUSERSITE": "1"}
    return mine | {"KUBECONFIG": str(api_cluster.kubeconfig)}


@pytest.mark.timeout(900)  # builds krew and the file on a new machine
def test_installed_by_krew(
    api_cluster: Cluster, api_operator: OperatorProcess, namespace: str, user: dict[str, str], tmp_path: Path
) -> None:
    """The sum fits, krew installs the file, and kubectl finds it as `kubectl runwatchman`, and it works with the API server."""
    build(tmp_path / "dist")
    source = [f"--manifest={tmp_path}/dist/runwatchman.yaml", f"--archive={tmp_path}/dist/kubectl-rw-{HERE}.tar.gz"]
    run([str(find(["krew"])["krew"]), "install", *source], env=user)
    kubectl = [str(tmp_path / "bin/kubectl"), "runwatchman", "-n", namespace]
    said = run([*kubectl, "run", "hello", "--image=busybox:1.37", "--", "true"], env=user)
    assert said.startswith("run hello created")
    await_phase(api_cluster, namespace, "hello", "Completed")
    assert "AllAgentsComplete" in run([*kubectl, "explain", "hello"], env=user)
    assert "kubectl runwatchman" in run([*kubectl, "--help"], env=user)
