"""The next run removes the kind cluster of a killed run; evidence of a failed test is kept."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from tests.chart.helm import NAMESPACE
from tests.cluster import Cluster, lifecycle
from tests.cluster.kind import KindCluster
from tests.cluster.processes import Record, run, start_time
from tests.cluster.settings import runtime_dir
from tests.crash_run import killed
from tests.kind.installed import Installed
from tests.skipping import cannot_run
from tests.support import apply, await_phase, run_of, shell

SCRIPT = "from tests.cluster import lifecycle; lifecycle.up('kind', name={name!r})"


@pytest.fixture
def own(kind_cluster: Cluster) -> KindCluster:
    """A kind cluster of our own."""
    if not isinstance(kind_cluster, KindCluster):
        cannot_run("needs a Docker engine of our own")
    return kind_cluster


def test_the_next_run_ends_what_a_killed_one_left(own: KindCluster) -> None:
    """A run is killed during `kind create`: its node, its continuing creation and its files are removed; our cluster stays."""
    name = f"left-{uuid.uuid4().hex[:6]}"

    def nodes() -> str:
        return run(["docker", "ps", "-aq", "--filter", f"label=io.x-k8s.kind.cluster={name}"], env=own.env)

    killed(SCRIPT.format(name=name), nodes)
    [creation] = Record(runtime_dir() / name / "processes").entries()
    assert start_time(int(creation["pid"])) == creation["start"], "it was to survive: else this shows less"
    lifecycle.clean()
    assert nodes() == ""
    assert start_time(int(creation["pid"])) != creation["start"]
    assert name not in lifecycle.clusters()
    assert own.kubectl("get", "--raw", "/readyz") == "ok"


def test_exported_logs(own: KindCluster, kind_operator: Installed, namespace: str, tmp_path: Path) -> None:
    """The export has the logs of the operator, the agent and the kubelet, and every object that shows the history."""
    apply(own, namespace, run_of("talks", shell("echo here I am")))
    await_phase(own, namespace, "talks", "Completed")
    own.export_logs(tmp_path)
    pods = {path.parent.parent.name: path.read_text() for path in tmp_path.glob("*/pods/*/*/*.log")}
    assert any("here I am" in text for name, text in pods.items() if name.startswith(f"{namespace}_talks-coder-r0_"))
    operator = [text for name, text in pods.items() if name.startswith(f"{NAMESPACE}_{kind_operator.name}-")]
    assert any("AllAgentsComplete" in text for text in operator), sorted(pods)
    assert len(list(tmp_path.glob("*/kubelet.log"))) == len(own.nodes)
    assert "talks-coder-r0" in (tmp_path / "pods.yaml").read_text()
    assert "AllAgentsComplete" in (tmp_path / "events.yaml").read_text()
