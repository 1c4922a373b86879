"""The settings of /metrics: who may read it, over which protocol, and its content."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest
from prometheus_client import CollectorRegistry, Gauge

from controller.adapter.contract import Ended, Reply, Request
from controller.adapter.metrics import AdapterMetrics
from controller.adapter.server import adapter_app, serve_socket
from controller.kube.client import Client
from controller.observability.certificate import Mounted, NoCertificate, SelfSigned
from controller.observability.exposition import metrics_pages, of_registry
from controller.observability.server import serve
from controller.runtime.scraping import certificate_source, scraped
from controller.settings import Settings
from tests.unit.observability.asking import ask
from tests.unit.observability.test_certificate import put

NOBODY = cast(Client, None)
"""An API server that must not be queried."""


class Silent:
    """An advisor that is not consulted."""

    async def consult(self, request: Request) -> Reply:
        """Reply."""
        return Reply(Ended.ABSTAINED, detail=request.command)


@pytest.mark.parametrize(
    ("listen", "told", "secured"),
    [
        ("127.0.0.1", None, False),
        ("127.0.0.2", None, False),
        ("::1", None, False),
        ("localhost", None, False),
        ("0.0.0.0", None, True),  # noqa: S104  # it is what a pod listens on
        ("::", None, True),
        ("10.0.0.7", None, True),
        ("operator.example", None, True),
        ("0.0.0.0", False, False),  # noqa: S104  # it is what a pod listens on
        ("127.0.0.1", True, True),
    ],
)
async def test_metrics_are_plain_on_loopback_alone(listen: str, told: bool | None, secured: bool) -> None:
    """If others can reach the port, metrics are secured, unless an option explicitly says otherwise."""
    settings = Settings(listen=listen, metrics_secure=told)
    assert settings.metrics_secured is secured
    assert isinstance(certificate_source(settings), SelfSigned) is secured
    pages = scraped(settings, NOBODY, CollectorRegistry(), lambda: None)
    async with serve(pages, "127.0.0.1", 0) as port:
        assert (await ask(port, "/metrics"))[0] == (401 if secured else 200)


def test_a_mounted_certificate_is_used(tmp_path: Path) -> None:
    """`--metrics-cert-dir` is read at the start, and a mistake is reported then."""
    settings = Settings(metrics_secure=True, metrics_cert_dir=tmp_path)
    with pytest.raises(NoCertificate, match="--metrics-cert-dir"):
        certificate_source(settings)
    put(tmp_path, "operator")
    assert isinstance(certificate_source(settings), Mounted)


async def test_an_adapters_metrics_are_with_the_operators(tmp_path: Path) -> None:
    """One answer has the series of both while the adapter runs, and only the operator's while it does not."""
    ours, theirs, path = CollectorRegistry(), CollectorRegistry(), tmp_path / "a.sock"
    Gauge("runwatchman_leader", "1 while it leads.", registry=ours).set(1)
    AdapterMetrics(theirs).waiting.set(3)
    settings = Settings(adapter="socket", adapter_socket=path)
    app = adapter_app(Silent(), metrics_pages(of_registry(theirs)))
    async with serve_socket(app, path), serve(scraped(settings, NOBODY, ours, lambda: None), "127.0.0.1", 0) as port:
        _, text = await ask(port, "/metrics")
    assert "runwatchman_leader 1.0\n" in text
    assert "runwatchman_advisor_waiting 3.0\n" in text
    async with serve(scraped(settings, NOBODY, ours, lambda: None), "127.0.0.1", 0) as port:
        status, text = await ask(port, "/metrics")
    assert (status, "runwatchman_leader 1.0\n" in text, "advisor" in text) == (200, True, False)
