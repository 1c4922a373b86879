"""Runs the page's server until it is ended."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import ssl
from collections.abc import Callable, Coroutine
from typing import Any, cast

from aiohttp import web

from controller.cli.web.connection_limits import HANDSHAKE_SECONDS, IDLE_SECONDS, ConnectionLimits
from controller.cli.web.page_server import LIMITS

SHUTDOWN_SECONDS = 1.0
"""Time for answers that are under way; a live page is under way for ever."""


async def serve(
    app: web.Application,
    opened: socket.socket,
    ready: Callable[[], None],
    ended: Coroutine[Any, Any, None] | None = None,
    tls: ssl.SSLContext | None = None,
) -> None:
    """Serve on a bound socket until SIGTERM, SIGINT, or the end of something that the page needs, whose failure is raised."""
    runner = web.AppRunner(
        app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS, handle_signals=False, keepalive_timeout=IDLE_SECONDS
    )
    await runner.setup()
    try:
        with contextlib.closing(await _listen(runner, app[LIMITS], opened, tls)):
            ready()
            await _until(_signalled(), *([ended] if ended else []))
    finally:
        await runner.cleanup()


async def _listen(
    runner: web.AppRunner, limits: ConnectionLimits, opened: socket.socket, tls: ssl.SSLContext | None
) -> asyncio.Server:
    """Accept connections, within limits that a site of aiohttp does not have."""
    server = cast(web.Server, runner.server)  # It was set up.

    def accepted() -> web.RequestHandler:
        limits.make_room(server.connections)
        return server()

    handshake = HANDSHAKE_SECONDS if tls else None
    return await asyncio.get_running_loop().create_server(accepted, sock=opened, ssl=tls, ssl_handshake_timeout=handshake)


async def _until(signalled: Coroutine[Any, Any, None], *others: Coroutine[Any, Any, None]) -> None:
    """Wait for the first end. Ctrl-C ends kubectl's proxy too, which then is no failure."""
    tasks = [asyncio.create_task(end) for end in (signalled, *others)]
    done, waiting = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    for task in done if tasks[0] not in done else {tasks[0]}:
        task.result()


async def _signalled() -> None:
    """Wait for SIGTERM or SIGINT. Loops on Windows know no signals: there Ctrl-C raises KeyboardInterrupt."""
    end, loop = asyncio.Event(), asyncio.get_running_loop()
    with contextlib.suppress(NotImplementedError):  # what add_signal_handler raises on Windows
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, end.set)
    await end.wait()
