"""The quota of docs/recipes.md: real Kueue holds back and preempts agents' pods, and the operator waits for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from controller.api.base import JsonObject
from tests import users
from tests.api.kueue import kueue
from tests.cluster import Cluster
from tests.plugin import Plugin
from tests.recipes import of_kind, recipe
from tests.support import OperatorProcess, apply, await_phase, await_that, get, items, run_of, simulated, simulated_forever, status

HOME, TEAM = "kueue-home", "kueue-team"
GATE = "kueue.x-k8s.io/admission"
KUEUES = {GATE, "kueue.x-k8s.io/topology"}
URGENT: JsonObject = {
    "apiVersion": "kueue.x-k8s.io/v1beta2",
    "kind": "WorkloadPriorityClass",
    "metadata": {"name": "urgent"},
    "value": 1000,
}


@pytest.fixture(scope="module")
def team(api_cluster: Cluster) -> Iterator[str]:
    """A namespace with the recipe's quota, Kueue, and an operator with its own account: the admission policies judge the pods that
    Kueue changes. A pod may take a second to start, and no Run has a budget.
    """
    api_cluster.create_namespace(TEAM)
    account = users.operator_account(api_cluster, HOME)
    options = ("--namespace", TEAM, "--lease-namespace", HOME, "--reporter-image", "x")
    objects = recipe("A quota by Kueue", TEAM)
    of_kind(objects, "RunPolicy")["spec"] |= {"health": {"pendingStalledSeconds": 1}, "restartBudget": 0}
    of_kind(objects, "ClusterQueue")["spec"]["preemption"] = {"withinClusterQueue": "LowerPriority"}
    with kueue(api_cluster, TEAM), OperatorProcess(account, *options):
        apply(api_cluster, TEAM, *objects, URGENT)
        yield TEAM
        api_cluster.kubectl("-n", TEAM, "delete", "runs", "--all", "--timeout=60s")
    for name in (HOME, TEAM):
        api_cluster.delete_namespace(name)


def gates(pod: JsonObject) -> set[str]:
    """Return the scheduling gates of a pod."""
    return {gate["name"] for gate in pod["spec"].get("schedulingGates", ())}


def working(cluster: Cluster, namespace: str, run: str, attempt: int = 0) -> bool:
    """Whether an attempt of a Run is at work."""
    found = status(cluster, namespace, run)
    return (found.get("phase"), found.get("agents", [{}])[0].get("attempt")) == ("Running", attempt)


def test_two_runs_and_a_quota_for_one(api_cluster: Cluster, team: str) -> None:
    """The second Run waits for Kueue, uncharged and unasked, and starts when the first one has ended."""
    apply(api_cluster, team, simulated_forever("first"))
    await_that(lambda: working(api_cluster, team, "first"), "the first Run")
    apply(api_cluster, team, run_of("second", simulated("succeed")))
    waiting = await_phase(api_cluster, team, "second", "Queued")
    (agent,) = waiting["agents"]
    assert (agent["health"], GATE in agent["message"]) == ("Queued", True), waiting
    await_that(lambda: gates(get(api_cluster, team, "pod", "second-coder-r0")) == KUEUES, "our own gate to be gone")
    Plugin(api_cluster, team).ok("stop", "first")
    done = await_phase(api_cluster, team, "second", "Completed", "Blocked", "Failed")
    assert (done["phase"], done["restarts"], done["agents"][0]["attempt"]) == ("Completed", 0, 0)
    assert items(api_cluster, team, "escalations") == []
    assert await_phase(api_cluster, team, "first", "Stopped")["restarts"] == 0


def test_a_run_that_is_preempted(api_cluster: Cluster, team: str) -> None:
    """Kueue deletes the pod of an agent for a more urgent one. The agent gets an uncharged attempt, which waits for its turn."""
    apply(api_cluster, team, simulated_forever("patient"))
    await_that(lambda: working(api_cluster, team, "patient"), "the first Run")
    urgent = simulated("succeed")
    urgent["template"]["metadata"]["labels"] = {"kueue.x-k8s.io/priority-class": URGENT["metadata"]["name"]}
    apply(api_cluster, team, run_of("urgent", urgent))
    assert await_phase(api_cluster, team, "urgent", "Completed")["restarts"] == 0
    await_that(lambda: working(api_cluster, team, "patient", attempt=1), "the next attempt")
    record = status(api_cluster, team, "patient")["operatorState"]["agents"]["coder"]
    assert (record["restarts"], record["freeRestarts"]) == (0, 1), record
    assert items(api_cluster, team, "escalations") == []
