"""NO_PROXY means to the operator what it means to kubectl: the table has each form that Go's httpproxy documents or implements."""

from __future__ import annotations

import pytest

from controller.kube.proxies import proxy_for

PROXY = "http://proxy:3128"
SERVICE = "https://10.96.0.1:443"
"""The API server as a pod sees it: by its address, so that only an address or a network in NO_PROXY applies."""

DIRECT = [
    ("10.96.0.0/12", SERVICE),
    ("10.96.0.7/12", SERVICE),
    ("fd00::/8", "https://[fd00::1]:6443"),
    ("::ffff:10.0.0.0/104", "https://10.1.2.3"),
    ("10.0.0.0/8", "https://[::ffff:10.1.2.3]"),
    ("10.96.0.1", SERVICE),
    ("10.96.0.1:443", SERVICE),
    ("10.96.0.1:443", "https://10.96.0.1"),
    ("[fd00::1]:6443", "https://[fd00::1]:6443"),
    ("fd00::1", "https://[fd00:0::1]:6443"),
    ("example.com", "https://example.com"),
    ("example.com", "https://api.example.com"),
    (".example.com", "https://api.example.com"),
    ("*.example.com", "https://api.example.com"),
    ("example.com:6443", "https://api.example.com:6443"),
    (".example.com:6443", "https://api.example.com:6443"),
    ("*.example.com:443", "https://api.example.com"),
    ("example.com:", "https://example.com:1"),
    (".svc,.cluster.local,10.0.0.0/8", "https://kubernetes.default.svc"),
    (" 192.168.0.0/16 , EXAMPLE.com ", "https://API.example.COM"),
    ("*", "https://anything.example"),
    ("nothing.example,*", SERVICE),
    ("bücher.example", "https://xn--bcher-kva.example"),
    ("xn--bcher-kva.example", "https://bücher.example"),
    ("", "https://localhost:6443"),
    ("", "https://127.0.0.53:6443"),
    ("", "https://[::1]:6443"),
    ("", "https://[::ffff:127.0.0.1]"),
]
PROXIED = [
    ("", SERVICE),
    (",, ,", SERVICE),
    ("10.97.0.0/16", SERVICE),
    ("fd00::/8", SERVICE),
    ("10.96.0.1:6443", SERVICE),
    ("10.96.0", SERVICE),
    ("10.96.0.*", SERVICE),
    ("10.96.0.0/255.240.0.0", SERVICE),
    ("10.96.0.0/33", SERVICE),
    ("010.96.0.1", SERVICE),
    ("[fd00::1]", "https://[fd00::1]"),
    ("fd00::1%eth0", "https://[fd00::1]"),
    (".example.com", "https://example.com"),
    ("*.example.com", "https://example.com"),
    ("example.com", "https://notexample.com"),
    ("example.com:443", "https://example.com:6443"),
    ("api.*.com", "https://api.example.com"),
    ("*example.com", "https://example.com"),
    (":443", SERVICE),
    ("example.com;other.com", "https://example.com"),
]


@pytest.mark.parametrize(("no_proxy", "url"), DIRECT)
def test_excluded_hosts_are_reached_directly(no_proxy: str, url: str) -> None:
    """Networks, addresses, domains with and without a dot or an asterisk, and ports exclude a host; loopback always is."""
    assert proxy_for(url, {"HTTPS_PROXY": PROXY, "NO_PROXY": no_proxy}) is None


@pytest.mark.parametrize(("no_proxy", "url"), PROXIED)
def test_other_hosts_are_proxied(no_proxy: str, url: str) -> None:
    """An entry that Go's clients do not understand excludes nothing, and no entry excludes more than it does there."""
    assert proxy_for(url, {"HTTPS_PROXY": PROXY, "NO_PROXY": no_proxy}) == PROXY


@pytest.mark.parametrize(
    ("environment", "url", "proxy"),
    [
        ({"HTTPS_PROXY": "proxy:3128"}, SERVICE, PROXY),
        ({"https_proxy": PROXY}, SERVICE, PROXY),
        ({"HTTPS_PROXY": PROXY, "https_proxy": "http://other"}, SERVICE, PROXY),
        ({"HTTPS_PROXY": "", "https_proxy": PROXY}, SERVICE, PROXY),
        ({"NO_PROXY": "10.96.0.1", "no_proxy": "other", "HTTPS_PROXY": PROXY}, SERVICE, None),
        ({"HTTPS_PROXY": "https://user:word@proxy:8443"}, SERVICE, "https://user:word@proxy:8443"),
        ({"HTTP_PROXY": PROXY}, SERVICE, None),
        ({"HTTP_PROXY": PROXY}, "http://10.96.0.1", PROXY),
        ({"HTTP_PROXY": PROXY, "NO_PROXY": "10.96.0.1:80"}, "http://10.96.0.1", None),
        ({"ALL_PROXY": PROXY}, SERVICE, None),
        ({}, SERVICE, None),
    ],
)
def test_variables_are_read_as_go_reads_them(environment: dict[str, str], url: str, proxy: str | None) -> None:
    """The name in upper case comes first, each scheme has its own variable, and a proxy without a scheme is an HTTP proxy."""
    assert proxy_for(url, environment) == proxy
