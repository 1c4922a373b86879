"""A halt and its lift with the installed operator, real kubelets and kept workspaces."""

from __future__ import annotations

from tests.cluster import Cluster
from tests.kind.installed import Installed
from tests.plugin import Plugin
from tests.support import apply, await_phase, await_that, items, run_of, shell

FLEET = 5
REASON = "the provider is down"
ENDED_SECONDS = 40.0
"""The agents' grace period of 30 s and ten seconds."""
AGENT = """
[ ! -e /workspace/draft ] || exit 0
trap 'echo saved > /workspace/draft; exit 143' TERM
while :; do sleep 1; done
"""
"""It saves a draft when it is ended, and completes if it finds one."""


def test_agents_end_gracefully_and_continue_after_the_lift(kind_cluster: Cluster, kind_operator: Installed, namespace: str) -> None:
    """Five agents save their work within their grace period, and a killed operator does not lift the halt.

    After the lift each agent finds its work and completes, uncharged.
    """
    rw = Plugin(kind_cluster, namespace)
    names = [f"r{number}" for number in range(FLEET)]
    apply(kind_cluster, namespace, *(run_of(name, shell(AGENT, workspace={"size": "1Mi"})) for name in names))
    for name in names:
        await_phase(kind_cluster, namespace, name, "Running")
    rw.ok("halt", "--reason", REASON)
    await_that(lambda: phases(kind_cluster, namespace, "pods") == {"Failed"}, "every agent to end", ENDED_SECONDS)
    for name in names:
        await_phase(kind_cluster, namespace, name, "Halted")
    kind_operator.stop()
    kind_operator.start()
    await_that(lambda: REASON in rw("run", "more", "--image", "x", "--dry-run=server").stderr, "admission to know the halt")
    assert phases(kind_cluster, namespace, "runs") == {"Halted"}
    rw.ok("lift")
    for name in names:
        assert await_phase(kind_cluster, namespace, name, "Completed")["restarts"] == 0


def phases(cluster: Cluster, namespace: str, kind: str) -> set[str]:
    """Return the phases of all objects of a kind."""
    return {each.get("status", {}).get("phase", "") for each in items(cluster, namespace, kind)}
