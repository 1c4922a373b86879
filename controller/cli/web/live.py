"""Server-sent events: the live part of a page, made again when something that it shows has changed."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from datetime import UTC, datetime

from aiohttp import web

from controller.cli.rw.kubectl_errors import Refused
from controller.cli.rw.user_error import Problem
from controller.cli.web.event_stream import EventStream
from controller.cli.web.rendering import rendered
from controller.cli.web.visit import Page, Visit

PAUSE_SECONDS = 0.5
"""Shortest time between two versions of a page."""

LOOK_SECONDS = 2.0
"""How often a stream looks whether its session lasts and its browser is there."""

REFRESH_SECONDS = 30.0
"""How often a page is made again without a change: ages grow. It is also the sign of life for proxies."""

Alive = Callable[[], bool]


async def stream(request: web.Request, page: Page, visit: Visit, alive: Alive) -> web.StreamResponse:
    """Send a page's changes until the browser is gone or the session ends."""
    events = EventStream(request)
    with contextlib.suppress(ConnectionError):
        await events.begin()
        await Stream(events, page, visit, alive).follow()
    return events.response


class Stream:
    """One browser's stream, which sends only what differs from what it sent before."""

    def __init__(self, events: EventStream, page: Page, visit: Visit, alive: Alive) -> None:
        self._events, self._page, self._visit, self._alive = events, page, visit, alive
        self._sent: dict[str, str] = {}
        self._since: datetime | None = None

    async def follow(self) -> None:
        """Send changes."""
        while self._events.connected:
            seen, stamp, made = self._visit.versions, self._stamp(), time.monotonic()
            if not self._alive() or not await self._send_all():
                await self._send("expired", rendered("expired.html", {"login": bool(self._visit.api.token)}))
                return
            if len(seen) == len(self._visit.versions):  # Else the page has just begun to watch, and is made again.
                await asyncio.sleep(PAUSE_SECONDS)
                await self._change(seen, stamp, made + REFRESH_SECONDS)

    async def _change(self, seen: tuple[int, ...], stamp: object, deadline: float) -> None:
        """Wait until the page differs from what was seen, or is due, or nobody may or will look at it."""
        while self._events.connected and self._alive() and time.monotonic() < deadline:
            await self._visit.change_after(seen, LOOK_SECONDS)
            if self._visit.versions != seen and (stamp is None or self._stamp() != stamp or self._notice_differs()):
                return
            seen = self._visit.versions

    async def _send_all(self) -> bool:
        """Send the page and what keeps it from being up to date. Returns whether the caller is still logged in."""
        try:
            await self._visit.caller.check()
            values = await self._page.model(self._visit)
            await self._send("live", rendered(self._page.live, values))
            problem = self._visit.problem
        except Problem as raised:
            problem = raised
        if isinstance(problem, Refused) and problem.reason == "Unauthorized":
            return False
        await self._send("notice", self._notice(problem))
        return True

    def _stamp(self) -> object:
        return self._page.stamp(self._visit) if self._page.stamp and self._visit.watches else None

    def _notice_differs(self) -> bool:
        return bool(self._visit.problem) != bool(self._sent.get("notice"))

    def _notice(self, problem: Problem | None) -> str:
        self._since = (self._since or datetime.now(UTC)) if problem else None
        return rendered("notice.html", {"problem": problem.message, "since": self._since}) if problem else ""

    async def _send(self, event: str, html: str) -> None:
        if self._sent.get(event, "") == html:
            await self._events.beat()
            return
        self._sent[event] = html
        await self._events.send(event, html.split("\n"))
