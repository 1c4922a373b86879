"""`kubectl rw shell` on real kubelets: the container of an agent that runs, and the workspace of one that has ended."""

from __future__ import annotations

import pytest

from tests.cluster import Cluster
from tests.kind.installed import Installed
from tests.plugin import Plugin
from tests.support import apply, await_phase, await_that, items, run_of, shell

WAITS = "id -u >/workspace/user; until [ -e /workspace/end ]; do sleep 0.2; done"


def test_a_live_and_an_ended_agents_workspace(
    kind_cluster: Cluster, kind_operator: Installed, namespace: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Both have the agent's files and user and begin in the workspace; the exit code is the command's, and no pod is left."""
    apply(kind_cluster, namespace, run_of("open", shell(WAITS, workspace={"size": "1Gi"})))
    await_phase(kind_cluster, namespace, "open", "Running")
    rw = Plugin(kind_cluster, namespace)
    await_that(lambda: rw("shell", "open", "--", "test", "-s", "user").exit_code == 0, "the agent's first file")
    capfd.readouterr()
    assert rw("shell", "open", "--", "sh", "-c", "pwd; cat user; touch end; exit 3").exit_code == 3
    assert capfd.readouterr().out == "/workspace\n10001\n"
    await_phase(kind_cluster, namespace, "open", "Completed")
    done = rw("shell", "open", "--", "sh", "-c", "pwd; cat user; id -u; touch mine; exit 4")
    assert (done.exit_code, capfd.readouterr().out) == (4, "/workspace\n10001\n10001\n"), done.output
    assert "removed at the end" in done.stderr
    pods = await_that(lambda: [p for p in [items(kind_cluster, namespace, "pods")] if len(p) == 1], "the end of the shell's pod")
    assert [pod["metadata"]["name"] for pod in pods[0]] == ["open-coder-r0"]
