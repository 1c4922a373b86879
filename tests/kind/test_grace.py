"""Deletions with an absurd grace period, on a real kubelet."""

from __future__ import annotations

import pytest

from tests.cluster import Cluster
from tests.kind.installed import Installed
from tests.kind.test_runs import DEAF
from tests.support import apply, await_phase, await_that, condition, get, run_of

ABSURD_SECONDS = 100_000_000_000_000
OWN_SECONDS = 3
LEGAL_SECONDS = 86400


@pytest.mark.parametrize("seconds", [ABSURD_SECONDS, LEGAL_SECONDS])
@pytest.mark.parametrize("desired", ["Stopped", "Paused"])
def test_no_grace_period_outlives_a_stop(
    kind_cluster: Cluster, kind_operator: Installed, namespace: str, seconds: int, desired: str
) -> None:
    """An agent that ignores TERM is deleted with a grace period that no clock holds, or of a day: the operator goes on, and a stop
    or a pause ends the agent within its own grace period.
    """
    before = restarts(kind_operator)
    containers = [{"name": "agent", "image": "busybox:1.37", "command": ["sh", "-c", f"echo started; {DEAF}"]}]
    template = {"spec": {"terminationGracePeriodSeconds": OWN_SECONDS, "containers": containers}}
    apply(kind_cluster, namespace, run_of("deaf", {"template": template}))
    await_phase(kind_cluster, namespace, "deaf", "Running")
    kind_cluster.kubectl("-n", namespace, "delete", "pod", "deaf-coder-r0", f"--grace-period={seconds}", "--wait=false")
    await_that(lambda: grace(kind_cluster, namespace) == seconds, "the deletion")
    kind_cluster.kubectl(
        "-n", namespace, "patch", "run", "deaf", "--type=merge", "-p", f'{{"spec":{{"desiredState":"{desired}"}}}}'
    )
    found = await_phase(kind_cluster, namespace, "deaf", desired)
    assert found["agents"][0]["outcome"] == "Interrupted"
    if desired == "Stopped":
        assert condition(found, "Finished") == ("True", "StopRequested")
    await_that(lambda: not get(kind_cluster, namespace, "pod", "deaf-coder-r0"), "the pod's end")
    assert restarts(kind_operator) == before


def grace(cluster: Cluster, namespace: str) -> int | None:
    """Return the grace period of the pod's deletion."""
    pod = get(cluster, namespace, "pod", "deaf-coder-r0")
    return pod["metadata"].get("deletionGracePeriodSeconds") if pod else None


def restarts(operator: Installed) -> int:
    """Return how often the operator's container was started again."""
    return sum(status["restartCount"] for status in operator.pod()["status"]["containerStatuses"])
