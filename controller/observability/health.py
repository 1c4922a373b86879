"""The pages `/livez` and `/readyz`: whether the process is alive, and whether it can do its work."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus

from aiohttp import web

from controller.observability.pages import Page, Pages

Checks = Mapping[str, Callable[[], str | None]]
"""Name -> check. A check returns None or a Note if all is well, else the reason of the failure."""


class Note(str):
    """A message from a check that succeeds."""

    __slots__ = ()


def unless(excused: Callable[[], bool], check: Callable[[], str | None]) -> Callable[[], str | None]:
    """Return a check that is skipped while `excused` returns true."""
    return lambda: None if excused() else check()


HEARTBEAT_SECONDS, STALLED_SECONDS = 1.0, 30.0
"""Interval of the event loop's heartbeat, and the time without a heartbeat after which the process counts as stalled."""


class Pulse:
    """Watchdog of the event loop. `clock` returns monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._beat = clock()

    async def keep(self) -> None:
        """Record heartbeats until cancelled."""
        while True:
            self._beat = self._clock()
            await asyncio.sleep(HEARTBEAT_SECONDS)

    def check(self) -> str | None:
        """Return None while the event loop runs, else a message with the time since its last heartbeat."""
        late = self._clock() - self._beat
        return f"the event loop has been blocked for {late:.0f} s" if late > STALLED_SECONDS else None


def health_pages(live: Checks, ready: Checks) -> Pages:
    """Return `/livez` and `/readyz`: 200, or 503 with the reason of each failing check. Checks run in the port's thread."""
    return {"/livez": _page(live), "/readyz": _page(ready)}


def _page(checks: Checks) -> Page:
    async def handler(_: web.BaseRequest) -> web.Response:
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
    except Exception as error:  # noqa: BLE001  # the probe fails and names this check; the other checks are still reported
        return f"{type(error).__name__}: {error}"
