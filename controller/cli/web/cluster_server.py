"""The server of `runwatchman web`: many callers, each with a token of their own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

import structlog
from aiohttp import web

from controller.cli.web.api_access import ApiServer
from controller.cli.web.door import Door
from controller.cli.web.entrance import Entrance
from controller.cli.web.login import Login
from controller.cli.web.page_server import PageServer
from controller.cli.web.running import serve
from controller.cli.web.sessions import Sessions
from controller.cli.web.visit import View
from controller.observability.logs import configure

log = structlog.get_logger(__name__)

RELOAD_SECONDS = 60.0
"""How often the certificate is read again."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The options of `runwatchman web`."""

    server: ApiServer
    urls: tuple[str, ...]
    listen: str
    port: int
    tls_dir: Path | None
    token_header: str
    session_seconds: float
    json_log: bool


def application(settings: Settings, port: int) -> web.Application:
    """Return the application, which also answers where `kubectl port-forward` puts it."""
    forwarded = [f"{scheme}://{name}:{port}" for name in ("localhost", "127.0.0.1") for scheme in _schemes(settings)]
    entrance = Entrance(frozenset([*settings.urls, *forwarded]), "runwatchman", settings.token_header)
    door = Door(entrance, Sessions(settings.session_seconds))
    pages = PageServer(settings.server, door, View(login=not settings.token_header))
    app = pages.app()
    if not settings.token_header:
        Login(door, pages.callers).add_to(app)
    return app


def _schemes(settings: Settings) -> tuple[str, ...]:
    return ("https",) if settings.tls_dir else ("http",)


async def run(settings: Settings) -> None:
    """Serve until SIGTERM."""
    configure("json" if settings.json_log else "console")
    opened = _bound(settings.listen, settings.port)
    tls = _context(settings.tls_dir) if settings.tls_dir else None
    port = opened.getsockname()[1]

    def ready() -> None:
        how = "a proxy's header" if settings.token_header else "a login page"
        log.info("page served", port=port, urls=list(settings.urls), tokens=how, tls=tls is not None)

    reloading = asyncio.create_task(_reload(tls, settings.tls_dir)) if tls and settings.tls_dir else None
    try:
        await serve(application(settings, port), opened, ready, tls=tls)
    finally:
        if reloading:
            reloading.cancel()


def _bound(address: str, port: int) -> socket.socket:
    """Return a socket on an address; `::` is for IPv4 too, and is IPv4 alone on a machine without IPv6."""
    if address == "::":
        with contextlib.suppress(OSError):
            return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=socket.has_dualstack_ipv6())
        address = "0.0.0.0"  # noqa: S104  # as the user asked: all of them
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.create_server((address, port), family=family)


def _context(folder: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    return context


async def _reload(context: ssl.SSLContext, folder: Path) -> None:
    """Read the certificate again from time to time; new connections get it. A pair that does not fit leaves the last one in use."""
    while True:
        await asyncio.sleep(RELOAD_SECONDS)
        try:
            context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
        except (OSError, ssl.SSLError) as error:
            log.warning("cannot read the certificate, the last one stays in use", error=str(error))
