"""The NetworkPolicy of agents, and the destinations that it allows."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from controller.resources.network_policy_builder import AgentsNetwork, endpoints, network_policy

API_SERVER = (("10.0.0.1", 6443), ("fd00::1", 6443))
SPEC: dict[str, Any] = network_policy(AgentsNetwork(("10.20.0.0/16",)), API_SERVER)["spec"]
REACHED = {
    ("1.1.1.1", 443): True,
    ("2606:4700::1111", 443): True,
    ("10.0.0.1", 6443): True,
    ("fd00::1", 6443): True,
    ("10.20.1.1", 8080): True,
    ("1.1.1.1", 80): False,
    ("10.0.0.1", 10250): False,  # a kubelet next to the API server
    ("10.0.0.2", 6443): False,
    ("10.96.0.1", 443): False,  # a Service
    ("100.100.100.200", 443): False,  # metadata of Alibaba Cloud
    ("127.0.0.1", 443): False,
    ("168.63.129.16", 443): False,
    ("169.254.169.254", 443): False,
    ("169.254.169.254", 80): False,
    ("172.18.0.2", 443): False,
    ("192.0.0.192", 443): False,  # metadata of Oracle Cloud
    ("192.168.1.1", 443): False,
    ("fd00:ec2::254", 443): False,  # metadata of AWS by IPv6
    ("fe80::1", 443): False,
    ("::ffff:10.0.0.1", 443): False,
    ("64:ff9b::a00:1", 443): False,  # NAT64 to 10.0.0.1
    ("1.1.1.1", 53): False,  # DNS is the cluster's own
    ("169.254.20.10", 53): True,  # NodeLocal DNSCache
    ("169.254.169.254", 53): True,  # Cloud DNS for GKE
    ("169.254.20.10", 443): False,
    ("169.254.20.11", 53): False,
    ("169.254.169.254", 8080): False,
    ("fd00:ec2::254", 53): False,
}


def within(address: str, block: dict[str, Any]) -> bool:
    """Whether an ipBlock contains an address."""
    left_out = any(ip_address(address) in ip_network(each) for each in block.get("except", ()))
    return ip_address(address) in ip_network(block["cidr"]) and not left_out


@pytest.mark.parametrize("target", REACHED, ids=lambda target: f"{target[0]}:{target[1]}")
def test_agents_reach_the_internet_by_https_and_nothing_private(target: tuple[str, int]) -> None:
    """HTTPS to public addresses, the API server's port and the installer's networks are allowed; all else is refused."""
    address, port = target
    passes = any(
        "ipBlock" in to and within(address, to["ipBlock"]) and ("ports" not in rule or port in [p["port"] for p in rule["ports"]])
        for rule in SPEC["egress"]
        for to in rule["to"]
    )
    assert passes is REACHED[target]


def test_nothing_comes_in_and_names_are_asked_of_the_cluster() -> None:
    """The policy covers both directions without a rule for ingress; port 53 is open to the cluster's DNS only."""
    assert SPEC["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in SPEC
    (names,) = [rule for rule in SPEC["egress"] if any(port["port"] == 53 for port in rule.get("ports", ()))]
    assert names["to"][0]["podSelector"] == {"matchLabels": {"k8s-app": "kube-dns"}}
    pods = [to for rule in SPEC["egress"] for to in rule["to"] if "ipBlock" not in to]
    assert [(to["namespaceSelector"]["matchLabels"], to["podSelector"]["matchLabels"]) for to in pods] == [
        ({"kubernetes.io/metadata.name": "kube-system"}, {"k8s-app": "kube-dns"}),
        ({"kubernetes.io/metadata.name": "kube-system"}, {"k8s-app": "node-local-dns"}),
        ({"kubernetes.io/metadata.name": "openshift-dns"}, {"dns.operator.openshift.io/daemonset-dns": "default"}),
    ]


def test_the_api_servers_addresses_come_from_its_slice_in_one_order() -> None:
    """Each address is combined with each port, in an order that does not depend on the slice; an empty slice gives none."""
    slice_ = {"endpoints": [{"addresses": ["10.0.0.2"]}, {"addresses": ["10.0.0.1"]}], "ports": [{"name": "https", "port": 6443}]}
    assert endpoints(slice_) == (("10.0.0.1", 6443), ("10.0.0.2", 6443))
    assert endpoints({"endpoints": None, "ports": None}) == ()
