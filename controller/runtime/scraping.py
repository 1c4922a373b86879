"""The metrics page: its content (the operator's metrics, and its adapter's), who may read it, and its certificate."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from prometheus_client import CollectorRegistry

from controller.adapter.client import scrape
from controller.kube.client import Client
from controller.observability.certificate import Mounted, SelfSigned
from controller.observability.exposition import PATH, Make, metrics_pages, of_registry
from controller.observability.guard import Guard
from controller.observability.pages import Pages
from controller.observability.server import Bounds, Tls
from controller.runtime.access_reviews import reviewer
from controller.settings import Settings

SCRAPERS = Bounds(connections=64, seconds=10.0, accepts_per_second=400)
"""A TLS handshake costs a thousand times what a probe does."""


def scraped(settings: Settings, client: Client, registry: CollectorRegistry, refresh: Callable[[], None]) -> Pages:
    """Return `/metrics` as the settings say: open to everybody, or to users that the API server allows to read it."""
    guard = Guard(reviewer(client, PATH)) if settings.metrics_secured else None
    return metrics_pages(_made(settings, registry, refresh), guard)


def certificate_source(settings: Settings) -> Tls | None:
    """Return the certificate that metrics are served with, None for none. Raises NoCertificate if the files are not a pair."""
    if not settings.metrics_secured:
        return None
    return Mounted(settings.metrics_cert_dir) if settings.metrics_cert_dir else SelfSigned(("localhost", socket.gethostname()))


def _made(settings: Settings, registry: CollectorRegistry, refresh: Callable[[], None]) -> Make:
    ours = of_registry(registry, refresh)
    if settings.adapter != "socket":
        return ours

    async def both() -> bytes:
        """Add the adapter's metrics: it has no token, so it cannot check who scrapes it."""
        return b"".join(await asyncio.gather(ours(), scrape(settings.adapter_socket)))

    return both
