"""The operator's ports: plain health probes, and metrics over TLS where the settings want that."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack

import structlog

from controller.kube.client import Client
from controller.observability.health import Checks, Pulse, health_pages
from controller.observability.metrics import Metrics
from controller.observability.pages import Pages
from controller.observability.server import Bounds, Tls, serve
from controller.runtime.scraping import SCRAPERS, certificate_source, scraped
from controller.settings import Settings

log = structlog.get_logger(__name__)


class Ports:
    """Opens the ports that the settings name; None keeps a port closed."""

    def __init__(self, settings: Settings, metrics: Metrics, pulse: Pulse) -> None:
        self._settings, self._metrics, self._pulse = settings, metrics, pulse

    async def open(self, stack: AsyncExitStack, client: Client, readiness: Checks, refresh: Callable[[], None]) -> None:
        """Open both; they close with the stack. `refresh` is called before metrics are rendered."""
        settings = self._settings
        health = health_pages({"loop": self._pulse.check}, readiness)
        await self._open(stack, "health", settings.health_port, health)
        if settings.metrics_port is not None:
            metrics = scraped(settings, client, self._metrics.registry, refresh)
            await self._open(stack, "metrics", settings.metrics_port, metrics, certificate_source(settings), SCRAPERS)

    async def _open(
        self, stack: AsyncExitStack, name: str, port: int | None, pages: Pages, tls: Tls | None = None, bounds: Bounds | None = None
    ) -> None:
        if port is not None:
            address, scheme = self._settings.listen, "https" if tls else "http"
            bound = await stack.enter_async_context(serve(pages, address, port, tls, bounds))
            log.info("listening", endpoint=name, scheme=scheme, address=address, port=bound)
