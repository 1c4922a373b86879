"""Who may scrape the operator, over what, and what is read there: its own metrics, and those of an adapter beside it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from prometheus_client import CollectorRegistry

from controller.adapter.client import scrape
from controller.cluster.client import Client
from controller.cluster.reviews import reviewer
from controller.endpoints.certificate import Mounted, SelfSigned
from controller.endpoints.exposition import PATH, Make, metrics_pages, of_registry
from controller.endpoints.guard import Guard
from controller.endpoints.pages import Pages
from controller.endpoints.server import Bounds, Tls
from controller.settings import Settings

SCRAPERS = Bounds(connections=64, seconds=10.0, accepts_per_second=400)
"""A TLS handshake costs a thousand times what a probe does."""


def scraped(told: Settings, client: Client, registry: CollectorRegistry, refresh: Callable[[], None]) -> Pages:
    """Return `/metrics` as the settings want it: for everybody, or for whom the API server says may read it."""
    guard = Guard(reviewer(client, PATH)) if told.metrics_secured else None
    return metrics_pages(_made(told, registry, refresh), guard)


def over(told: Settings) -> Tls | None:
    """Return the certificate that metrics are served with, None for none. Raises NoCertificate for files that are no pair."""
    if not told.metrics_secured:
        return None
    return Mounted(told.metrics_cert_dir) if told.metrics_cert_dir else SelfSigned(("localhost", socket.gethostname()))


def _made(told: Settings, registry: CollectorRegistry, refresh: Callable[[], None]) -> Make:
    ours = of_registry(registry, refresh)
    if told.adapter != "socket":
        return ours

    async def both() -> bytes:
        """The adapter has no token to ask with who scrapes it: its metrics are read here."""
        return b"".join(await asyncio.gather(ours(), scrape(told.adapter_socket)))

    return both
