"""The server of `kubectl rw web`: one caller, behind kubectl's proxy, and an address that works once."""

from __future__ import annotations

import asyncio
import hmac
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus

from aiohttp import web

from controller.cli.rw.kubectl import Call
from controller.cli.rw.user_error import Problem
from controller.cli.web.api_access import ApiServer
from controller.cli.web.door import Door, Refusal
from controller.cli.web.entrance import Entrance
from controller.cli.web.page_server import PageServer, reopened
from controller.cli.web.running import serve
from controller.cli.web.sessions import Sessions
from controller.cli.web.visit import View

SESSION_SECONDS = 12 * 3600.0
LOOK_SECONDS = 0.5
"""How often the server looks whether kubectl's proxy still runs."""

NAMES = ("127.0.0.1", "localhost", "[::1]")


@dataclass
class OneTimeKey:
    """A key that opens one session."""

    text: str = field(repr=False)
    used: bool = False

    def use(self, given: str) -> bool:
        """Whether this is the key, and its first use."""
        fits = hmac.compare_digest(self.text.encode(), given.encode()) and not self.used
        self.used = self.used or fits
        return fits


def application(server: ApiServer, port: int, key: str, view: View) -> web.Application:
    """Return the application for this machine's browser."""
    origins = frozenset(f"http://{name}:{port}" for name in NAMES)
    # Browsers send a cookie to every port of a host: the name keeps two pages apart.
    door = Door(Entrance(origins, f"rw-{port}"), Sessions(SESSION_SECONDS))
    pages, once = PageServer(server, door, view), OneTimeKey(key)

    async def start(request: web.Request) -> web.StreamResponse:
        if not once.use(request.match_info["key"]):
            raise Refusal(HTTPStatus.UNAUTHORIZED, "this address has been used, or was never valid")
        response = reopened("/")
        door.entrance.set_cookie(request, response, door.sessions.open(""))
        return response

    app = pages.app()
    app.router.add_get("/start/{key}", start)
    return app


def endpoint(line: str, where: str) -> ApiServer:
    """Return where kubectl's proxy serves the API, by its first line and the socket or path that it was given."""
    address = line.rpartition(" ")[2]
    return ApiServer(f"http://{address}{where.rstrip('/')}") if where.endswith("/") else ApiServer("http://localhost", where)


def run(app: web.Application, opened: socket.socket, proxy: Call, ready: Callable[[], None]) -> None:
    """Serve until interrupted. Raises Problem if kubectl's proxy ends."""
    asyncio.run(serve(app, opened, ready, _ended(proxy)))


async def _ended(proxy: Call) -> None:
    while proxy.running:  # noqa: ASYNC110  # a process has no event
        await asyncio.sleep(LOOK_SECONDS)
    raise Problem(f"kubectl proxy has ended: {proxy.text().strip() or 'without a message'}", "run this command again")
