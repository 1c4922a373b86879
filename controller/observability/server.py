"""An HTTP port: a listening socket, and a thread with its own event loop that serves it.

An attack on a port costs its thread, not the operator's event loop. Connections are limited in number, duration and rate.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus

import structlog
from aiohttp import web

from controller.errors import RunwatchmanError
from controller.observability.connections import Connections
from controller.observability.pages import Pages

log = structlog.get_logger(__name__)

ACCEPT_RETRY_SECONDS = 0.1
"""Pause after a connection could not be accepted: it was reset, or there are too many open files."""
TLS_GOODBYE_SECONDS = 1.0
"""Timeout for the client's part of the TLS shutdown."""
CERTIFICATE_RETRY_SECONDS = 10.0
"""Pause after a certificate could not be created."""
BACKLOG = 1024
"""Connections that the kernel queues until they are accepted."""
ACCEPTED_AT_ONCE = 8
"""Connections that are accepted before the thread serves the existing ones."""
ANY = "::"
"""Every address of IPv6 and IPv4."""

QUIET = logging.getLogger(f"{__name__}.http")
QUIET.setLevel(logging.CRITICAL)
"""Logger for aiohttp's reports of clients' faults. It is silent, so that clients cannot fill the log."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The limits of a port: concurrent connections, seconds for each, and new connections a second."""

    connections: int = 64
    seconds: float = 10.0
    accepts_per_second: int = 4000


Tls = Callable[[], ssl.SSLContext]
"""Returns the context for the next connection, because certificates change."""


@asynccontextmanager
async def serve(pages: Pages, host: str, port: int, tls: Tls | None = None, bounds: Bounds | None = None) -> AsyncIterator[int]:
    """Serve pages while the context lasts, and yield the port. Port 0 picks a free one. Handlers run in the port's thread.

    Raises OSError if the port is in use.
    """
    listener = _listen(host, port)
    served = _Port(listener, pages, tls, bounds or Bounds())
    thread = threading.Thread(target=served.run, name=f"port {listener.getsockname()[1]}", daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        served.close()
        await asyncio.to_thread(thread.join)
        listener.close()


class _Port:
    """Accepts, serves and closes connections."""

    def __init__(self, listener: socket.socket, pages: Pages, tls: Tls | None, bounds: Bounds) -> None:
        self._listener, self._pages, self._tls, self._bounds = listener, pages, tls, bounds
        self._loop = asyncio.new_event_loop()
        self._closing = asyncio.Event()
        self._connections: Connections[asyncio.Task[None]] = Connections(bounds.connections)
        self._tasks: set[asyncio.Task[None]] = set()

    def run(self) -> None:
        """Serve until closed."""
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._open())

    def close(self) -> None:
        """End `run`, from any thread."""
        with suppress(RuntimeError):  # the loop is closed: `run` has ended by itself
            self._loop.call_soon_threadsafe(self._closing.set)

    async def _open(self) -> None:
        await self._have_certificate()
        server = _Http(self._answer, access_log=None, logger=QUIET, keepalive_timeout=0, lingering_time=0)
        accepting = asyncio.create_task(self._accept(server))
        await asyncio.wait([accepting, asyncio.create_task(self._closing.wait())], return_when=asyncio.FIRST_COMPLETED)
        accepting.cancel()
        await asyncio.sleep(0)  # Let new tasks start: a task that never started would never close its socket.
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(accepting, *self._tasks, return_exceptions=True)
        await server.shutdown(0)
        if not accepting.cancelled() and (error := accepting.exception()):
            log.error("a port failed and is closed", exc_info=error)

    async def _have_certificate(self) -> None:
        """Wait for a certificate before the first connection is accepted. Until then connections wait in the kernel."""
        while self._tls and not self._closing.is_set():
            try:
                await asyncio.to_thread(self._tls)
            except RunwatchmanError as error:
                log.warning("a port waits for its certificate", error=str(error))
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._closing.wait(), CERTIFICATE_RETRY_SECONDS)
            else:
                return

    async def _accept(self, server: _Http) -> None:
        pause = ACCEPTED_AT_ONCE / self._bounds.accepts_per_second
        while True:
            for _ in range(ACCEPTED_AT_ONCE):
                try:
                    accepted, address = await self._loop.sock_accept(self._listener)
                except OSError:
                    await asyncio.sleep(ACCEPT_RETRY_SECONDS)
                    continue
                self._start(server, accepted, str(address[0]))
                await asyncio.sleep(0)
            await asyncio.sleep(pause)

    def _start(self, server: _Http, accepted: socket.socket, address: str) -> None:
        task = asyncio.create_task(self._serve(server, accepted))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(self._connections.remove)
        if evicted := self._connections.add(task, address):
            evicted.cancel()

    async def _serve(self, server: _Http, accepted: socket.socket) -> None:
        """Serve one connection within its time limit."""
        handler, ended = server.expect()
        transport: asyncio.BaseTransport | None = None
        try:
            async with asyncio.timeout(self._bounds.seconds):
                transport, _ = await self._connect(handler, accepted)
                await ended.wait()
        except (OSError, TimeoutError):  # The connection was not TLS, was reset, or took too long.
            pass
        finally:
            server.forget(handler)
            if isinstance(transport, asyncio.Transport):
                transport.abort()

    async def _connect(self, handler: web.RequestHandler, accepted: socket.socket) -> tuple[asyncio.BaseTransport, object]:
        if self._tls is None:
            return await self._loop.connect_accepted_socket(lambda: handler, accepted)
        return await self._loop.connect_accepted_socket(
            lambda: handler,
            accepted,
            ssl=self._tls(),
            ssl_handshake_timeout=self._bounds.seconds,
            ssl_shutdown_timeout=TLS_GOODBYE_SECONDS,
        )

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        response = await self._page(request)
        response.force_close()
        return response

    async def _page(self, request: web.BaseRequest) -> web.Response:
        page = self._pages.get(request.path)
        if page is None:
            return web.Response(status=HTTPStatus.NOT_FOUND)
        if request.method not in ("GET", "HEAD"):
            return web.Response(status=HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": "GET, HEAD"})
        try:
            return await page(request)
        except Exception:  # logged with its traceback as our JSON, answered with 500: aiohttp would write to another logger
            log.exception("page handler failed", path=request.path)
            return web.Response(status=HTTPStatus.INTERNAL_SERVER_ERROR)


class _Http(web.Server):
    """aiohttp's server without a listener. It reports the end of connections."""

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)  # type: ignore[arg-type]
        self._ends: dict[web.RequestHandler, asyncio.Event] = {}

    def expect(self) -> tuple[web.RequestHandler, asyncio.Event]:
        """Return the protocol for a new connection, and an event that is set when the connection has ended."""
        handler, ended = self(), asyncio.Event()
        self._ends[handler] = ended
        return handler, ended

    def forget(self, handler: web.RequestHandler) -> None:
        """Stop reporting the end of a connection."""
        self._ends.pop(handler, None)

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        """Handle the end of a connection. Its protocol calls this."""
        super().connection_lost(handler, exc)
        if ended := self._ends.get(handler):
            ended.set()


def _listen(host: str, port: int) -> socket.socket:
    """Return a listening socket. `::` stands for every address, also on a machine without IPv6."""
    both = host == ANY and socket.has_dualstack_ipv6()
    if ":" in host and (both or host != ANY):
        listener = socket.create_server((host, port), family=socket.AF_INET6, backlog=BACKLOG, dualstack_ipv6=both)
    elif host == ANY:
        listener = socket.create_server(("", port), backlog=BACKLOG)
    else:
        listener = socket.create_server((host, port), backlog=BACKLOG)
    listener.setblocking(False)
    return listener
