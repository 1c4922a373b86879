"""A table of the addresses that notifications may reach."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from controller.notify.addresses import Allowed, BadEntry, is_public

NOT_PUBLIC = (
    *("127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.96.0.1", "172.16.0.1", "192.168.1.1"),  # noqa: S104  # refused
    *("169.254.169.254", "100.64.0.1", "100.100.100.200", "192.0.0.192", "168.63.129.16"),
    *("224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1"),
    *("::1", "::", "::7f00:1", "fe80::1", "fe80::1%eth0", "fec0::1", "fd00:ec2::254", "fc00::1", "ff02::1", "ff0e::1"),
    *("::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:0:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::a9fe:a9fe"),
    *("2002:7f00:1::", "2002:a9fe:a9fe::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::1", "4000::1"),
)
PUBLIC = ("8.8.8.8", "1.1.1.1", "93.184.216.34", "2606:4700::1111", "2a00:1450:4001:830::200e")


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_what_is_not_public(address: str) -> None:
    """Loopback, link-local, private, shared, multicast, reserved and translated addresses, and those of clouds, are blocked."""
    assert not is_public(ip_address(address))
    assert not Allowed().reaches(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_public(address: str) -> None:
    """The Internet may be reached without a list."""
    assert Allowed().reaches(ip_address(address))


@pytest.mark.parametrize(
    ("address", "reached"),
    [
        ("10.1.2.3", True),
        ("10.1.3.3", False),
        ("fd00::25", True),
        ("64:ff9b::808:808", True),
        ("64:ff9b::a01:203", True),
        ("64:ff9b::a9fe:a9fe", False),
        ("::ffff:10.1.2.3", False),
    ],
)
def test_the_installer_allows_networks(address: str, reached: bool) -> None:
    """A network in the list is reachable; one that translates leads only to IPv4 addresses that are reachable themselves."""
    allowed = Allowed.of(("10.1.2.0/24", "fd00::25", "64:ff9b::/96"))
    assert allowed.reaches(ip_address(address)) is reached


@pytest.mark.parametrize(
    ("host", "port", "named"),
    [("mail.internal", 25, True), ("MAIL.internal.", 587, True), ("chat", 443, True), ("chat", 80, False), ("other", 25, False)],
)
def test_the_installer_allows_hosts(host: str, port: int, named: bool) -> None:
    """A host is allowed by name, at every port or at one."""
    assert Allowed.of(("mail.internal", "chat:443")).names(host, port) is named


@pytest.mark.parametrize("entry", ["10.0.0.1/8", "10.0.0.0/33", "http://mail", "mail:", "a b", "-x", "mail:port", "[::1]:25"])
def test_an_entry_that_cannot_be_read(entry: str) -> None:
    """The error quotes the entry and names the remedy; no meaning is guessed."""
    with pytest.raises(BadEntry) as refused:
        Allowed.of((entry,))
    assert entry in str(refused.value)
    assert "10.1.2.0/24" in str(refused.value)
