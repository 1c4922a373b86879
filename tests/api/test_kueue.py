"""The quota of docs/recipes.md: real Kueue holds back the agents' pods, and the operator waits for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from controller.api.base import JsonObject
from tests import users
from tests.api.kueue import kueue
from tests.cluster import Cluster
from tests.plugin import Plugin
from tests.recipes import recipe
from tests.support import OperatorProcess, apply, await_phase, await_that, get, items, run_of, simulated, simulated_forever, status

HOME = "kueue-runs"
GATE = "kueue.x-k8s.io/admission"
KUEUES = {GATE, "kueue.x-k8s.io/topology"}


@pytest.fixture
def account(api_cluster: Cluster) -> Iterator[Cluster]:
    """The cluster as the operator's account sees it: the admission policies judge the pods that Kueue changes."""
    yield users.operator_account(api_cluster, HOME)
    api_cluster.kubectl("delete", "namespace", HOME, "--wait=false")


def gates(pod: JsonObject) -> set[str]:
    """Return the scheduling gates of a pod."""
    return {gate["name"] for gate in pod["spec"].get("schedulingGates", ())}


def test_two_runs_and_a_quota_for_one(api_cluster: Cluster, account: Cluster, namespace: str) -> None:
    """The second Run waits for Kueue, uncharged and unasked, although a pod of its own may take a second to start. It starts when
    the first one has ended.
    """
    options = ("--namespace", namespace, "--lease-namespace", HOME, "--reporter-image", "x")
    with kueue(api_cluster, namespace), OperatorProcess(account, *options):
        objects = recipe("A quota by Kueue", namespace)
        objects[-1]["spec"] |= {"health": {"pendingStalledSeconds": 1}, "restartBudget": 0}
        apply(api_cluster, namespace, *objects)
        apply(api_cluster, namespace, simulated_forever("first"))
        await_that(lambda: status(api_cluster, namespace, "first").get("phase") == "Running", "the first Run")
        apply(api_cluster, namespace, run_of("second", simulated("succeed")))
        waiting = await_phase(api_cluster, namespace, "second", "Queued")
        (agent,) = waiting["agents"]
        assert (agent["health"], GATE in agent["message"]) == ("Queued", True), waiting
        await_that(lambda: gates(get(api_cluster, namespace, "pod", "second-coder-r0")) == KUEUES, "our own gate to be gone")
        Plugin(api_cluster, namespace).ok("stop", "first")
        done = await_phase(api_cluster, namespace, "second", "Completed", "Blocked", "Failed")
        assert (done["phase"], done["restarts"], done["agents"][0]["attempt"]) == ("Completed", 0, 0)
        assert items(api_cluster, namespace, "escalations") == []
        assert status(api_cluster, namespace, "first")["phase"] == "Stopped"
        api_cluster.kubectl("-n", namespace, "delete", "runs", "--all", "--timeout=60s")
