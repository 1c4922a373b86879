"""The addresses that a notification may reach: the public Internet, and the addresses that the installer allows. Pure.

Notification URLs belong to tenants, but the requests come from the operator's position in the network. Without this check tenants
could probe addresses that only the operator reaches.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

UNICAST = IPv6Network("2000::/3")
"""All IPv6 addresses that IANA has assigned for the Internet."""
DENIED = (
    IPv4Network("192.0.0.0/24"),  # IETF protocol assignments; Oracle Cloud's metadata service
    IPv4Network("192.88.99.0/24"),  # 6to4 relays
    IPv4Network("168.63.129.16/32"),  # Azure's host agent, which looks public
    IPv6Network("2001::/23"),  # IETF protocol assignments, Teredo
    IPv6Network("2002::/16"),  # 6to4
)
"""Networks that look public but lead to a cloud's own services or to an internal IPv4 address."""
TRANSLATED = (
    *(IPv6Network("::/96"), IPv6Network("::ffff:0:0/96"), IPv6Network("::ffff:0:0:0/96")),
    *(IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48")),
)
"""IPv4-compatible, IPv4-mapped, IPv4-translated and NAT64 addresses: their last 32 bits are an IPv4 address."""
IPV4_BITS = 0xFFFF_FFFF

_HOST = re.compile(r"([a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_])?)(?::(\d{1,5}))?")


class BadEntry(ValueError):
    """An invalid entry of the list of allowed addresses. The message has the entry and the remedy."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """Addresses that the installer allows besides public ones: networks, and hosts by name, with one port or any (None)."""

    networks: tuple[Network, ...] = ()
    hosts: frozenset[tuple[str, int | None]] = frozenset()

    @classmethod
    def of(cls, entries: Iterable[str]) -> Allowed:
        """Parse a list of networks, addresses and HOST or HOST:PORT. Raises BadEntry."""
        networks: list[Network] = []
        hosts: set[tuple[str, int | None]] = set()
        for entry in entries:
            if network := _network(entry):
                networks.append(network)
            else:
                hosts.add(_host(entry))
        return cls(tuple(networks), frozenset(hosts))

    def names(self, host: str, port: int | None) -> bool:
        """Whether a host is allowed by its name, independent of its addresses."""
        name = host.rstrip(".").lower()
        return (name, None) in self.hosts or (name, port) in self.hosts

    def reaches(self, address: Address) -> bool:
        """Whether an address may be reached. For a translated address, its IPv4 address must be allowed as well."""
        inner = _inner(address)
        allowed = is_public(address) or any(address in network for network in self.networks)
        return allowed and (inner is None or self.reaches(inner))


def is_public(address: Address) -> bool:
    """Whether an address is on the public Internet: not loopback, link-local, private, shared, multicast or translated."""
    if isinstance(address, IPv6Address) and address not in UNICAST:
        return False
    return address.is_global and not address.is_multicast and not any(address in network for network in DENIED)


def _inner(address: Address) -> IPv4Address | None:
    """Return the IPv4 address inside a translated IPv6 address."""
    if isinstance(address, IPv4Address):
        return None
    if any(address in network for network in TRANSLATED):
        return IPv4Address(int(address) & IPV4_BITS)
    return address.sixtofour or (address.teredo[1] if address.teredo else None)


def _network(entry: str) -> Network | None:
    """Return the network or single address of an entry, None for a name."""
    try:
        return ip_network(entry)
    except ValueError:
        pass
    if "/" in entry:
        raise BadEntry(f"{entry!r} is not a network: write it as 10.1.2.0/24, without bits set after the prefix")
    return None


def _host(entry: str) -> tuple[str, int | None]:
    match = _HOST.fullmatch(entry.lower())
    if match is None:
        raise BadEntry(
            f"{entry!r} is not a network, address or host: use 10.1.2.0/24, 10.1.2.3, mail.example.internal or HOST:PORT"
        )
    host, port = match.groups()
    return host, int(port) if port else None


def read_address(text: object) -> Address | None:
    """Parse an address in full form. Return None for a name, and for the short forms that only resolvers understand."""
    try:
        return ip_address(text) if isinstance(text, str) else None
    except ValueError:
        return None
