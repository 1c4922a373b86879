"""Who may scrape the operator, over what, and what is read there: its own metrics, and those of an adapter beside it."""

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
    """Return `/metrics` as the settings want it: for everybody, or for whom the API server says may read it."""
    guard = Guard(reviewer(client, PATH)) if settings.metrics_secured else None
    return metrics_pages(_made(settings, registry, refresh), guard)


def certificate_source(settings: Settings) -> Tls | None:
    """Return the certificate that metrics are served with, None for none. Raises NoCertificate for files that are no pair."""
    if not settings.metrics_secured:
        return None
    return Mounted(settings.metrics_cert_dir) if settings.metrics_cert_dir else SelfSigned(("localhost", socket.gethostname()))


def _made(settings: Settings, registry: CollectorRegistry, refresh: Callable[[], None]) -> Make:
    ours = of_registry(registry, refresh)
    if settings.adapter != "socket":
        return ours

    async def both() -> bytes:
        """The adapter has no token to ask with who scrapes it: its metrics are read here."""
        return b"".join(await asyncio.gather(ours(), scrape(settings.adapter_socket)))

    return both
