"""The sources of credentials: rotating tokens, proxies, and a clear error if there are none."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from kubernetes.aio.config import incluster_config

from controller.kube.connection import ConnectionRefused, connect
from tests.unit.kube.conftest import write_kubeconfig


@pytest.fixture
def token_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The mounted service account of a pod."""
    token, certificate = tmp_path / "token", tmp_path / "ca.crt"
    token.write_text("first")
    certificate.write_text("not looked at before the first request")
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(certificate))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    monkeypatch.delenv("KUBECONFIG", raising=False)
    return token


def rotate(path: Path, token: str) -> None:
    path.write_text(token)


async def test_a_rotated_token_is_taken(token_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kubelet replaces a pod's token about hourly; the client reads it again within a minute, without a restart."""
    connection = await connect()
    assert connection.server == "https://10.96.0.1:443"
    assert await connection.authorization() == "bearer first"
    rotate(token_file, "second")
    later = SimpleNamespace(now=lambda: datetime.now() + timedelta(minutes=2))  # noqa: DTZ005  # naive, as kubernetes has it
    monkeypatch.setattr(incluster_config, "datetime", SimpleNamespace(datetime=later, timedelta=timedelta))
    assert await connection.authorization() == "bearer second"


async def test_a_kubeconfig_wins_over_the_pod(token_file: Path, tmp_path: Path) -> None:
    """An explicit kubeconfig takes precedence inside a pod too."""
    connection = await connect(write_kubeconfig(tmp_path / "kubeconfig", "https://elsewhere:6443"))
    assert connection.server == "https://elsewhere:6443"
    assert await connection.authorization() == "Bearer s3cret"


@pytest.mark.parametrize(("excluded", "proxy"), [("", "http://proxy:3128"), ("10.96.0.0/12", None), ("*", None)])
async def test_the_environments_proxy_is_honoured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, excluded: str, proxy: str | None
) -> None:
    """HTTPS_PROXY and NO_PROXY are honoured, networks too, though they are read once and not with every request."""
    for name in ("HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    monkeypatch.setenv("no_proxy", excluded)
    connection = await connect(write_kubeconfig(tmp_path / "kubeconfig", "https://10.96.0.1:6443"))
    assert connection.configuration.proxy == proxy


async def test_the_kubeconfigs_proxy_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for kubectl, `proxy-url` of a cluster is used whatever the environment has."""
    monkeypatch.setenv("HTTPS_PROXY", "http://other:3128")
    monkeypatch.setenv("NO_PROXY", "*")
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", "https://10.96.0.1:6443", **{"proxy-url": "http://p:1"})
    assert (await connect(kubeconfig)).configuration.proxy == "http://p:1"


async def test_missing_credentials_are_told_with_their_place(tmp_path: Path) -> None:
    """The error names the file that was looked for."""
    with pytest.raises(ConnectionRefused, match=r"no credentials for an API server in .*missing"):
        await connect(tmp_path / "missing")
