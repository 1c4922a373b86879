"""Bounds on connections and requests, so that people who hold or slow down many of them do not keep others out."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from aiohttp import web

from controller.cli.web.door import HEALTH, Refusal

IDLE_SECONDS = 75.0
"""Time for the next whole request of a connection; most proxies reuse one for a minute."""

HANDSHAKE_SECONDS = 10.0
"""Time for the handshake of TLS."""

MAX_CONNECTIONS = 640
"""Connections at a time. With those to the API server there are fewer than the 1,024 files that a process often may open."""

MAX_REQUESTS = 400
"""Requests at a time, streams among them; so some connections are always idle, and one of them can give way."""


class ConnectionLimits:
    """Which connections of a server have a request, and which one gives way to a new one."""

    def __init__(self) -> None:
        self._busy: set[asyncio.BaseProtocol] = set()

    @contextmanager
    def counted(self, request: web.Request) -> Iterator[None]:
        """Count a request. Raises Refusal for one too many, except a probe: a pod that is busy is not restarted."""
        if len(self._busy) >= MAX_REQUESTS and request.path != HEALTH:
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, f"{MAX_REQUESTS} requests are under way: try again in a minute")
        self._busy.add(request.protocol)
        try:
            yield
        finally:
            self._busy.discard(request.protocol)

    def make_room(self, connections: list[web.RequestHandler]) -> None:
        """Close an idle connection if there are too many: the oldest one of the address that has the most."""
        found = [each for each in connections if each.transport is not None]
        if len(found) < MAX_CONNECTIONS:
            return
        idle: defaultdict[str, list[web.RequestHandler]] = defaultdict(list)
        for each in found:
            if each not in self._busy:
                idle[_address(each)].append(each)
        if idle:
            max(idle.values(), key=len)[0].force_close()


def _address(connection: web.RequestHandler) -> str:
    peer = connection.peername
    return str(peer[0]) if isinstance(peer, tuple) else ""
