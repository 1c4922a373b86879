"""The hostile tenant of the fault campaigns, on simulated nodes: the API server accepts the forged objects, and a Run continues."""

from __future__ import annotations

from tests.chaos.evidence import watching
from tests.chaos.forger import forging, home_of
from tests.cluster import Cluster
from tests.support import OperatorProcess, apply, await_phase, await_that, get, items, simulated_forever, status

LIES = {"agentreports": 2, "pods": 2, "escalations": 1}


def test_the_hostile_tenant_is_taken_by_the_api_server_alone(api_cluster: Cluster, namespace: str) -> None:
    """A forged report claims a failure, a forged pod a death; the Run continues with its first attempt."""
    options = ("--namespace", namespace, "--namespace", home_of(namespace), "--lease-name", namespace, "--reporter-image", "x")
    with watching(api_cluster) as evidence, OperatorProcess(api_cluster, *options):
        apply(api_cluster, namespace, simulated_forever("r"))
        await_phase(api_cluster, namespace, "r", "Running")
        with forging(api_cluster, evidence, namespace) as forger:
            await_that(lambda: forger.forged >= sum(LIES.values()), "all that is forged for an attempt")
            await_that(lambda: _said(api_cluster, home_of(namespace)), "a report that the agent has failed, and a pod that is dead")
            api_cluster.kubectl("-n", namespace, "patch", "run", "r", "--type=merge", "-p", '{"spec":{"tokenBudget":9}}')
            await_that(lambda: status(api_cluster, namespace, "r")["observedGeneration"] == 2, "another pass over the Run")
        found = status(api_cluster, namespace, "r")
        assert found["phase"] == "Running"
        assert [agent["attempt"] for agent in found["agents"]] == [0]
        assert get(api_cluster, namespace, "pod", "r-coder-r0")["status"]["phase"] == "Running"


def _said(cluster: Cluster, namespace: str) -> bool:
    found = items(cluster, namespace, "agentreports,pods")
    reports = [each for each in found if each.get("status", {}).get("result", {}).get("outcome") == "Failed"]
    return bool(reports) and any(each["status"].get("phase") == "Failed" for each in found if each["kind"] == "Pod")
