"""Serves the adapter on a unix socket: `POST /v1/consult`, and pages such as metrics and probes."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path

from aiohttp import web

from controller.adapter.contract import Advisor
from controller.adapter.wire import CONSULT, MAX_REQUEST_BYTES, WireError, read_request, write_reply
from controller.errors import RunwatchmanError
from controller.observability.pages import Pages, add_pages

SOCKET_MODE = 0o660
"""Owner and group may connect: the operator's container shares the pod's fsGroup with the adapter's."""
SOCKET_UMASK = 0o777 & ~SOCKET_MODE
SHUTDOWN_SECONDS = 3.0
"""Shutdown grace period. Clients that still wait after it are disconnected."""
PROBE_SECONDS = 1.0


class SocketTaken(RunwatchmanError):
    """The socket's path is in use or cannot be created."""


def adapter_app(advisor: Advisor, pages: Pages) -> web.Application:
    """Return the application that answers consultations and serves these pages."""

    async def consult(message: web.Request) -> web.Response:
        try:
            request = read_request(await message.read())
        except WireError as error:
            return web.Response(status=HTTPStatus.BAD_REQUEST, text=f"{error}\n")
        return web.Response(body=write_reply(await advisor.consult(request)), content_type="application/json")

    app = web.Application(client_max_size=MAX_REQUEST_BYTES)
    add_pages(app, pages)
    app.router.add_post(CONSULT, consult)
    return app


@asynccontextmanager
async def serve_socket(app: web.Application, path: Path) -> AsyncIterator[None]:
    """Serve an application at a path while the context lasts. A client that disconnects ends its consultation.

    Raises SocketTaken if another process serves there, or if the path cannot be created.
    """
    listener = _listen(path)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=SHUTDOWN_SECONDS)
    try:
        await runner.setup()
        await web.SockSite(runner, listener).start()
        yield
    finally:
        await runner.cleanup()
        listener.close()
        _remove(path)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def _listen(path: Path) -> socket.socket:
    _make_room(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(SOCKET_UMASK)
    try:
        listener.bind(str(path))
    except OSError as error:
        listener.close()
        raise SocketTaken(f"--socket: {path} cannot be created ({error}): create its folder, or use another path") from error
    finally:
        os.umask(before)
    listener.listen()
    return listener


def _make_room(path: Path) -> None:
    """Remove a stale socket whose process was killed."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise SocketTaken(f"--socket: {path} exists and is not a socket: remove it, or use another path")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(PROBE_SECONDS)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
    raise SocketTaken(f"--socket: another adapter serves {path}: stop it, or use another path")
