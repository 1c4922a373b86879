"""The NetworkPolicy that the operator maintains for agents, with the shipped roles, on a real API server.

The network plugin decides whether packets are stopped: this cluster's nodes are simulated.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from controller.api.base import JsonObject
from tests import users
from tests.cluster import Cluster
from tests.support import OperatorProcess, apply, await_phase, await_that, get, items, policy_of, run_of, simulated

HOME = "agents-network"
NAME = "runwatchman-agents"
ACCOUNT = f"--serviceaccount={HOME}:operator"
SLICE: JsonObject = {
    "apiVersion": "discovery.k8s.io/v1",
    "kind": "EndpointSlice",
    "metadata": {"name": "kubernetes"},
    "addressType": "IPv4",
    "endpoints": [{"addresses": ["10.1.2.3"]}],
    "ports": [{"name": "https", "port": 6443, "protocol": "TCP"}],
}
"""The API server's address; this cluster has no Endpoints of its own."""
OPTIONS = ("--lease-namespace", HOME, "--reporter-image", "x", "--agents-network", "--agents-network-allow", "10.20.0.0/16")


@pytest.fixture(scope="module")
def account(api_cluster: Cluster) -> Iterator[Cluster]:
    """The cluster as the operator's account sees it, bound as the chart binds it with agents.network.managed."""
    bound = users.operator_account(api_cluster, HOME)
    apply(api_cluster, "default", SLICE)
    users.grant(api_cluster, "default", "runwatchman-operator-apiserver", ACCOUNT)
    yield bound
    api_cluster.kubectl("-n", "default", "delete", "endpointslice", "kubernetes")
    api_cluster.kubectl("delete", "namespace", HOME, "--wait=false")


@pytest.fixture
def allowed(api_cluster: Cluster, namespace: str) -> str:
    """A namespace in which the operator may write NetworkPolicies."""
    users.grant(api_cluster, namespace, "runwatchman-operator-network", ACCOUNT)
    return namespace


def managed(cluster: Cluster, namespace: str, pod: str) -> bool:
    """Whether a pod is among those that the operator's NetworkPolicy selects."""
    labels: JsonObject = get(cluster, namespace, "pod", pod)["metadata"]["labels"]
    return labels.get("runwatchman.dev/network") == "managed"


def test_agents_have_their_network_policy(api_cluster: Cluster, account: Cluster, allowed: str) -> None:
    """A namespace's first Run creates the policy, with the API server and the installer's networks in it; the Run reports
    Managed.
    """
    with OperatorProcess(account, *OPTIONS) as operator:
        apply(api_cluster, allowed, run_of("one"), run_of("two"))
        for name in ("one", "two"):
            assert await_phase(api_cluster, allowed, name, "Completed")["policy"]["networkPolicy"] == "Managed"
            assert managed(api_cluster, allowed, f"{name}-coder-r0")
        assert "ValidatingAdmissionPolicy" not in operator.log.read_text()
    found = get(api_cluster, allowed, "networkpolicy", NAME)["spec"]
    assert found["podSelector"] == {"matchLabels": {"runwatchman.dev/network": "managed"}}
    blocks = [to["ipBlock"]["cidr"] for rule in found["egress"] for to in rule["to"] if "ipBlock" in to]
    nodes_dns = ["169.254.20.10/32", "169.254.169.254/32"]
    assert blocks == [*nodes_dns, "0.0.0.0/0", "::/0", "10.1.2.3/32", "10.20.0.0/16"]


def test_a_policy_that_was_changed_is_mended_and_one_of_ones_own_is_left(
    api_cluster: Cluster, account: Cluster, allowed: str
) -> None:
    """The next operator rewrites its own policy after somebody has opened it; a policy without its label stays unchanged."""
    apply(api_cluster, allowed, own := {**OPEN, "metadata": {"name": NAME}})
    with OperatorProcess(account, *OPTIONS):
        apply(api_cluster, allowed, run_of("first"))
        await_phase(api_cluster, allowed, "first", "Completed")
        assert get(api_cluster, allowed, "networkpolicy", NAME)["spec"]["egress"] == own["spec"]["egress"]
    apply(api_cluster, allowed, {**OPEN, "metadata": {"name": NAME, "labels": {"app.kubernetes.io/managed-by": "runwatchman"}}})
    with OperatorProcess(account, *OPTIONS):
        apply(api_cluster, allowed, run_of("second"))
        await_phase(api_cluster, allowed, "second", "Completed")
    assert len(get(api_cluster, allowed, "networkpolicy", NAME)["spec"]["egress"]) > 1


OPEN: JsonObject = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "spec": {
        "podSelector": {"matchLabels": {"runwatchman.dev/network": "managed"}},
        "policyTypes": ["Ingress", "Egress"],
        "egress": [{}],
    },
}
"""A policy that allows all egress."""


def test_unmanaged_means_no_policy_of_ours(api_cluster: Cluster, account: Cluster, allowed: str) -> None:
    """With `networkPolicy: Unmanaged` no NetworkPolicy is created, no pod is selected, and the Run reports it."""
    apply(api_cluster, allowed, policy_of({"networkPolicy": "Unmanaged"}))
    with OperatorProcess(account, *OPTIONS):
        apply(api_cluster, allowed, run_of("free"))
        assert await_phase(api_cluster, allowed, "free", "Completed")["policy"]["networkPolicy"] == "Unmanaged"
    assert not managed(api_cluster, allowed, "free-coder-r0")
    assert items(api_cluster, allowed, "networkpolicies") == []


def test_without_the_option_the_default_is_unmanaged(api_cluster: Cluster, account: Cluster, namespace: str) -> None:
    """An operator without the option to maintain NetworkPolicies creates none, and reports that on the Run."""
    with OperatorProcess(account, "--lease-namespace", HOME):
        apply(api_cluster, namespace, run_of("plain"))
        assert await_phase(api_cluster, namespace, "plain", "Completed")["policy"]["networkPolicy"] == "Unmanaged"
    assert items(api_cluster, namespace, "networkpolicies") == []


def test_an_agent_never_starts_without_the_policy_that_it_must_have(api_cluster: Cluster, account: Cluster, namespace: str) -> None:
    """If the operator may not write a policy that is required, no pod is created, and the Run has the remedy."""
    apply(api_cluster, namespace, policy_of({"networkPolicy": "Managed"}))
    with OperatorProcess(account, "--lease-namespace", HOME):
        apply(api_cluster, namespace, run_of("held", simulated("run-forever")))
        found = await_that(lambda: refused(api_cluster, namespace), "the refusal in the status")
    assert "runwatchman-operator-network" in found["message"]
    assert "networkPolicy: Unmanaged" in found["message"]
    assert items(api_cluster, namespace, "pods") == []


def refused(cluster: Cluster, namespace: str) -> JsonObject | None:
    """Return the status of the Run once its pod was refused."""
    found: JsonObject = get(cluster, namespace, "run", "held").get("status", {})
    return found if found.get("reason") == "PodRefused" else None
