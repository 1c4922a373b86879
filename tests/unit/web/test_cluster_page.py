"""`runwatchman web`: what it listens on, and the options that it refuses."""

from __future__ import annotations

import ssl
import subprocess
import urllib.request
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from controller.cli.web import web
from tests.web_page import page_process

ANSWER_SECONDS = 30.0
NOBODY = ("--api-server", "https://127.0.0.1:1")


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    """A folder with a certificate for this machine."""
    files = ("-keyout", tmp_path / "tls.key", "-out", tmp_path / "tls.crt")
    about = ("-days", "2", "-nodes", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,IP:::1")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", *files, *about], check=True, capture_output=True)
    return tmp_path


def test_it_serves_over_tls_on_both_families(pair: Path) -> None:
    """A pod has IPv4, IPv6 or both; the certificate is that of the folder."""
    trusted = ssl.create_default_context(cafile=str(pair / "tls.crt"))
    with page_process(*NOBODY, "--listen", "::", "--tls-dir", str(pair)) as served:
        for host in ("127.0.0.1", "[::1]") if Path("/proc/net/if_inet6").exists() else ("127.0.0.1",):
            address = f"https://{host}:{served.port}/healthz"
            with urllib.request.urlopen(address, timeout=ANSWER_SECONDS, context=trusted) as answer:  # our own
                assert answer.read() == b"ok\n"


WRONG = {
    ("--url", "http://runs.example.com"): "http is for localhost only",
    ("--url", "https://runs.example.com/page"): "without a path",
    ("--url", "https://user@runs.example.com"): "without a path",
    ("--token-header", "X Token"): "not the name of a header",
    ("--session-hours", "0"): "--session-hours",
    ("--api-ca", "/no/such/file"): "does not exist",
}


@pytest.mark.parametrize(("options", "why"), WRONG.items(), ids=lambda each: each if isinstance(each, str) else " ".join(each))
def test_options_that_are_refused(options: tuple[str, str], why: str) -> None:
    """The message names the option and what it takes."""
    refused = CliRunner().invoke(web, options)
    assert (refused.exit_code, why in refused.output) == (2, True), refused.output


@pytest.mark.parametrize(
    ("host", "port", "url"),
    [
        ("", "", "https://kubernetes.default.svc"),
        ("10.96.0.1", "443", "https://10.96.0.1:443"),
        ("fd00::1", "6443", "https://[fd00::1]:6443"),
    ],
)
def test_a_pod_asks_its_own_cluster(monkeypatch: pytest.MonkeyPatch, host: str, port: str, url: str) -> None:
    """By the address that the kubelet gives to every container, as other clients in a cluster do."""
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
    assert next(option for option in web.params if option.name == "api_server").get_default(click.Context(web)) == url
