"""`/livez`, `/readyz` and `/metrics` over HTTP."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

Checks = Mapping[str, Callable[[], str | None]]
"""By name, a check that returns None (or a Note) where all is well, else the reason why not."""


class Note(str):
    """What a check that finds all well has to say."""

    __slots__ = ()


def unless(excused: Callable[[], bool], check: Callable[[], str | None]) -> Callable[[], str | None]:
    """Return a check that is made only while nothing excuses from it."""
    return lambda: None if excused() else check()


HEARTBEAT_SECONDS, STALLED_SECONDS = 1.0, 30.0
"""How often the event loop shows that it turns, and after how long without that the process counts as stalled."""


class Pulse:
    """Shows whether the event loop turns. `clock` gives monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._beat = clock()

    async def keep(self) -> None:
        """Beat until cancelled."""
        while True:
            self._beat = self._clock()
            await asyncio.sleep(HEARTBEAT_SECONDS)

    def check(self) -> str | None:
        """Return None while the loop turns, else for how long it has not."""
        late = self._clock() - self._beat
        return f"the event loop has not turned for {late:.0f} s" if late > STALLED_SECONDS else None


def health_app(live: Checks, ready: Checks) -> web.Application:
    """Return an application that answers `/livez` and `/readyz`: 200, or 503 with each failing check's reason."""
    app = web.Application()
    add_health(app, live, ready)
    return app


def add_health(app: web.Application, live: Checks, ready: Checks) -> None:
    """Have an application answer `/livez` and `/readyz` beside what it is for."""
    app.router.add_get("/livez", _answer(live))
    app.router.add_get("/readyz", _answer(ready))


def metrics_app(registry: CollectorRegistry, refresh: Callable[[], None] = lambda: None) -> web.Application:
    """Return an application that answers `/metrics`; `refresh` is called before each answer."""

    async def metrics(_: web.Request) -> web.Response:
        refresh()
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    return app


@asynccontextmanager
async def serve(app: web.Application, host: str, port: int) -> AsyncIterator[int]:
    """Serve an application while the context lasts and yield its port; port 0 picks a free one.

    Raises OSError where the port is taken.
    """
    listener = _listen(host, port)
    runner = web.AppRunner(app, access_log=None)
    try:
        await runner.setup()
        await web.SockSite(runner, listener).start()
        yield listener.getsockname()[1]
    finally:
        await runner.cleanup()
        listener.close()


def _listen(host: str, port: int) -> socket.socket:
    if ":" not in host:
        return socket.create_server((host, port))
    both = host == "::" and socket.has_dualstack_ipv6()
    return socket.create_server((host, port), family=socket.AF_INET6, dualstack_ipv6=both)


def _answer(checks: Checks) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handler(_: web.Request) -> web.StreamResponse:
        results = {name: _outcome(check) for name, check in checks.items()}
        lines = [_line(name, why) for name, why in results.items()]
        good = all(map(_is_well, results.values()))
        status = HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE
        return web.Response(text="\n".join([*lines, "ok" if good else "not ok", ""]), status=status)

    return handler


def _is_well(why: str | None) -> bool:
    return why is None or isinstance(why, Note)


def _line(name: str, why: str | None) -> str:
    if not _is_well(why):
        return f"[-]{name} failed: {why}"
    return f"[+]{name} ok" + (f": {why}" if why else "")


def _outcome(check: Callable[[], str | None]) -> str | None:
    try:
        return check()
    except Exception as error:  # noqa: BLE001  # a bug in one check is a 503 that names it, beside the others, and no nameless 500
        return f"{type(error).__name__}: {error}"
