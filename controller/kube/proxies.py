"""The proxy of a URL, by HTTPS_PROXY, HTTP_PROXY and NO_PROXY as Go's clients read them.

An admin sets these variables once for kubectl and all other programs, so this operator reads them in the same way. urllib knows
neither networks (10.0.0.0/8) nor ports in NO_PROXY. https://pkg.go.dev/golang.org/x/net/http/httpproxy#Config
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple
from urllib.parse import urlsplit

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

PORTS = {"http": 80, "https": 443}
MAPPED_BITS = 96
"""Length of the prefix of IPv6 addresses that stand for IPv4 addresses."""

_SCHEME = re.compile(r"(?:https?|socks5)://", re.IGNORECASE)
_NETWORK = re.compile(r"[0-9a-f.:]+/[0-9]+")
_HOST_AND_PORT = re.compile(r"(?:\[(?P<inner>[^\[\]]*)\]|(?P<host>[^:\[\]]*)):(?P<port>[^:\[\]]*)")


class Target(NamedTuple):
    """The host of a request in lower case, its port, and its address if the host is one."""

    host: str
    port: str
    address: Address | None


Match = Callable[[Target], bool]
"""Whether an entry of NO_PROXY applies to a target."""


def proxy_for(url: str, environment: Mapping[str, str] = os.environ) -> str | None:
    """Return the URL of the proxy for a request to `url`, None to connect directly."""
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    proxy = _first(environment, f"{scheme}_proxy") if scheme in PORTS else ""
    if not proxy:
        return None
    host = _ascii(parts.hostname or "")
    target = Target(host.strip(), str(parts.port or PORTS[scheme]), _address(host))
    if _is_local(target) or any(matches(target) for matches in _entries(_first(environment, "no_proxy"))):
        return None
    return proxy if _SCHEME.match(proxy) else f"http://{proxy}"


def _first(environment: Mapping[str, str], name: str) -> str:
    """Return a variable's value. As for Go, the name in upper case comes first."""
    return environment.get(name.upper()) or environment.get(name) or ""


def _is_local(target: Target) -> bool:
    return target.host == "localhost" or (target.address is not None and target.address.is_loopback)


def _entries(no_proxy: str) -> Iterator[Match]:
    """Yield the matchers of NO_PROXY; an entry without a host matches nothing."""
    for entry in filter(None, (part.strip().lower() for part in no_proxy.split(","))):
        if matcher := _entry(entry):
            yield matcher


def _entry(entry: str) -> Match | None:
    if entry == "*":
        return lambda _target: True
    if (network := _network(entry)) is not None:
        return partial(_in_network, network)
    parts = _HOST_AND_PORT.fullmatch(entry)
    host, port = ((parts["inner"] or parts["host"] or ""), parts["port"]) if parts else (entry, "")
    if not host:
        return None
    if (address := _address(host)) is not None:
        return lambda target: target.address == address and port in ("", target.port)
    return partial(_in_domain, host.removeprefix("*"), port) if host.startswith("*.") else partial(_in_domain, host, port)


def _in_network(network: Network, target: Target) -> bool:
    return target.address is not None and target.address in network


def _in_domain(domain: str, port: str, target: Target) -> bool:
    """Whether a target is in a domain: `example.com` and all below it; with a dot before it, only those below it."""
    suffix = f".{_ascii(domain.removeprefix('.'))}"
    inside = target.host.endswith(suffix) or (not domain.startswith(".") and target.host == suffix[1:])
    return inside and port in ("", target.port)


def _network(entry: str) -> Network | None:
    """Return a network in CIDR notation, whose bits after the prefix may be set."""
    try:
        network = ip_network(entry, strict=False) if _NETWORK.fullmatch(entry) else None
    except ValueError:
        return None
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    if network is None or mapped is None or network.prefixlen < MAPPED_BITS:
        return network
    return ip_network((mapped, network.prefixlen - MAPPED_BITS))


def _address(host: str) -> Address | None:
    """Return an address; an IPv4 address that is written as an IPv6 one is the IPv4 address."""
    try:
        address = ip_address(host) if "%" not in host else None
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _ascii(host: str) -> str:
    """Return an international name as it is in DNS; a name that has no such form stays."""
    if host.isascii():
        return host
    try:
        return host.encode("idna").decode()
    except UnicodeError:
        return host
