"""`/livez`, `/readyz` and `/metrics` over HTTP."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

Checks = Mapping[str, Callable[[], str | None]]
"""By name, a check that returns None where all is well, else the reason why not."""


def health_app(live: Checks, ready: Checks) -> web.Application:
    """Return an application that answers `/livez` and `/readyz`: 200, or 503 with each failing check's reason."""
    app = web.Application()
    app.router.add_get("/livez", _answer(live))
    app.router.add_get("/readyz", _answer(ready))
    return app


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
        lines = [f"[+]{name} ok" if why is None else f"[-]{name} failed: {why}" for name, why in results.items()]
        good = all(why is None for why in results.values())
        status = HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE
        return web.Response(text="\n".join([*lines, "ok" if good else "not ok", ""]), status=status)

    return handler


def _outcome(check: Callable[[], str | None]) -> str | None:
    try:
        return check()
    except Exception as error:  # noqa: BLE001  # a check that breaks has failed, and hides none of the others
        return f"{type(error).__name__}: {error}"
