"""Pure: builds the NetworkPolicy of a namespace's agents. It denies ingress, and allows egress to DNS, to HTTPS and to the API
server.

HTTPS is allowed to public addresses only.
"""

from __future__ import annotations

from dataclasses import dataclass

from controller.api.base import JsonObject
from controller.api.names import LABEL_NETWORK

AGENTS_POLICY = "runwatchman-agents"
LABEL_PART_OF, LABEL_MANAGED_BY = "app.kubernetes.io/part-of", "app.kubernetes.io/managed-by"
MANAGED_BY = "runwatchman"
NETWORKING = "networking.k8s.io"
MANAGED = "managed"
"""The value of LABEL_NETWORK on the pods that the NetworkPolicy selects."""

HTTPS, DNS, OPENSHIFT_DNS = 443, 53, 5353
NOT_PUBLIC_4 = (
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24"),
    *("192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4"),
    "168.63.129.16/32",  # Azure's host agent, which looks public
)
"""Private, shared, link-local (the cloud's metadata service) and reserved networks of IPv4."""
NOT_PUBLIC_6 = ("::/16", "64:ff9b::/32", "2002::/16", "fc00::/7", "fe80::/10", "ff00::/8")
"""The corresponding networks of IPv6, and those that embed an IPv4 address."""

NODES_DNS = ("169.254.20.10/32", "169.254.169.254/32")
"""Link-local addresses of a DNS server on each node: NodeLocal DNSCache's, and that of Cloud DNS for GKE.

At the second one the cloud's metadata service listens, too, on ports that stay closed.
"""

Endpoint = tuple[str, int]
"""An address and a port of the API server."""


@dataclass(frozen=True, slots=True)
class AgentsNetwork:
    """Networks that agents may reach, on every port, in addition to the Internet; set at installation."""

    allow: tuple[str, ...] = ()


def network_policy(network: AgentsNetwork, api_server: tuple[Endpoint, ...]) -> JsonObject:
    """Return the NetworkPolicy of the agents in a namespace."""
    public = (_block("0.0.0.0/0", NOT_PUBLIC_4), _block("::/0", NOT_PUBLIC_6))
    egress: list[JsonObject] = [
        *_names(),
        {"to": list(public), "ports": [{"port": HTTPS, "protocol": "TCP"}]},
        *({"to": [_block(_host(ip))], "ports": [{"port": port, "protocol": "TCP"}]} for ip, port in api_server),
        *({"to": [_block(cidr)]} for cidr in network.allow),
    ]
    return {
        "apiVersion": f"{NETWORKING}/v1",
        "kind": "NetworkPolicy",
        "metadata": {
            "name": AGENTS_POLICY,
            "labels": {LABEL_PART_OF: MANAGED_BY, LABEL_MANAGED_BY: MANAGED_BY},
        },
        "spec": {
            "podSelector": {"matchLabels": {LABEL_NETWORK: MANAGED}},
            "policyTypes": ["Ingress", "Egress"],
            "egress": egress,
        },
    }


def _names() -> list[JsonObject]:
    """Return the rules for the cluster's DNS servers: Kubernetes' own, those on each node, and OpenShift's with another port."""
    servers = [*(_pods("kube-system", "k8s-app", app) for app in ("kube-dns", "node-local-dns")), *map(_block, NODES_DNS)]
    openshift = [_pods("openshift-dns", "dns.operator.openshift.io/daemonset-dns", "default")]
    return [
        {"to": to, "ports": [{"port": port, "protocol": protocol} for protocol in ("UDP", "TCP")]}
        for to, port in ((servers, DNS), (openshift, OPENSHIFT_DNS))
    ]


def _pods(namespace: str, label: str, value: str) -> JsonObject:
    return {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "podSelector": {"matchLabels": {label: value}},
    }


def endpoints(slice_: JsonObject) -> tuple[Endpoint, ...]:
    """Return the API server's addresses from the EndpointSlice `kubernetes`, in a fixed order."""
    ports = [port["port"] for port in slice_.get("ports") or () if port.get("port")]
    found = {(ip, port) for each in slice_.get("endpoints") or () for ip in each.get("addresses", ()) for port in ports}
    return tuple(sorted(found))


def _block(cidr: str, left_out: tuple[str, ...] = ()) -> JsonObject:
    return {"ipBlock": {"cidr": cidr, **({"except": list(left_out)} if left_out else {})}}


def _host(ip: str) -> str:
    return f"{ip}/128" if ":" in ip else f"{ip}/32"
