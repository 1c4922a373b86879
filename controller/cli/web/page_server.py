"""The page's server: routes, answers to errors, and the headers of each answer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from controller.cli.rw.kubectl_errors import Refused
from controller.cli.rw.user_error import Problem
from controller.cli.web import changes_view, confirmations, log_view, overviews, run_view, runs_page
from controller.cli.web.acting import ORDERS, act
from controller.cli.web.api_access import ApiServer, Away
from controller.cli.web.caller import Caller, Callers
from controller.cli.web.connection_limits import ConnectionLimits
from controller.cli.web.door import (
    COOKIE,
    HEADERS,
    HEALTH,
    SESSION,
    Door,
    Handler,
    NoSession,
    Refusal,
    follows_foreign_link,
    form_of,
)
from controller.cli.web.live import stream
from controller.cli.web.orders import Order
from controller.cli.web.rendering import assets, rendered
from controller.cli.web.visit import Page, View, Visit

PAGES: tuple[Page, ...] = (runs_page.PAGE, *overviews.PAGES, run_view.PAGE, log_view.PAGE, changes_view.PAGE, *confirmations.PAGES)

log = logging.getLogger(__name__)

LIMITS: web.AppKey[ConnectionLimits] = web.AppKey("limits", ConnectionLimits)

MAX_FORM = 1 << 16
"""Maximum bytes of a form."""

YEAR = "public, max-age=31536000, immutable"


class PageServer:
    """The routes, for one API server."""

    def __init__(self, server: ApiServer, door: Door, view: View) -> None:
        self._door, self._view = door, view
        self.callers, self._limits = Callers(server), ConnectionLimits()

    def app(self) -> web.Application:
        """Return the application."""
        made = web.Application(middlewares=[self._guarded], client_max_size=MAX_FORM)
        made[LIMITS] = self._limits
        made.router.add_get(HEALTH, _healthy)
        made.router.add_get("/static/{digest}/{name}", _static)
        for page in PAGES:
            made.router.add_get(page.path, self._whole(page))
            made.router.add_get(f"/live{page.path}", self._live(page))
        for path, order in ORDERS.items():
            made.router.add_post(path, self._act(order))
        made.router.add_post(changes_view.PAGE.path, self._changes)
        made.router.add_get(f"/follow{log_view.PAGE.path}", self._follow)
        made.on_response_prepare.append(_add_headers)
        made.cleanup_ctx.append(self._callers_closed)
        return made

    def caller(self, request: web.Request) -> Caller:
        """Return whose request this is."""
        return self.callers.of(request[SESSION].token)

    def visit(self, request: web.Request) -> Visit:
        """Return a look at a page."""
        csrf = self._door.sessions.csrf(request[COOKIE])
        names = dict(request.match_info)
        view = self._view
        return Visit(self.caller(request), dict(request.query), names, view.space, view.home, csrf, view.execute)

    def render(self, visit: Visit, page: Page, values: Mapping[str, Any], live: str) -> str:
        """Return a whole page."""
        common = {"page": page, "live_url": live, "csrf": visit.csrf, "space": visit.space, "pages": PAGES}
        return rendered(page.template, {**common, "login": self._view.login, "problem": visit.problem, **values})

    def _whole(self, page: Page) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            with self.visit(request) as visit:
                await visit.caller.check()
                values = await page.model(visit)
                html = self.render(visit, page, values, f"/live{request.rel_url}")
            response = web.Response(text=html, content_type="text/html")
            if self._door.entrance.cookie_of(request) != request[COOKIE]:
                self._door.entrance.set_cookie(request, response, request[COOKIE])
            return response

        return handle

    def _live(self, page: Page) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            async with self._streaming(request) as visit:
                return await stream(request, page, visit, lambda: self._lasts(request))

        return handle

    async def _follow(self, request: web.Request) -> web.StreamResponse:
        async with self._streaming(request) as visit:
            return await log_view.stream(request, visit, lambda: self._lasts(request))

    def _act(self, order: Order) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            with self.visit(request) as visit:
                return await act(visit, order, await form_of(request))

        return handle

    async def _changes(self, request: web.Request) -> web.StreamResponse:
        """Answer with the changes, which no stream updates. Many lines take a while, so that a thread fills the page."""
        form, page = await form_of(request), changes_view.PAGE
        with self.visit(request) as visit:
            values = await changes_view.show(visit, form.get("uid", ""))
            html = await asyncio.to_thread(self.render, visit, page, values, "")
        status = HTTPStatus.CONFLICT if values["refused"] else HTTPStatus.OK
        return web.Response(status=status, text=html, content_type="text/html")

    @asynccontextmanager
    async def _streaming(self, request: web.Request) -> AsyncIterator[Visit]:
        """Return a look that lasts. Raises Refusal if there are too many."""
        caller = self.caller(request)
        with contextlib.suppress(Problem):  # What is wrong is shown in the stream.
            await caller.check()
        with self.callers.streaming(caller), self.visit(request) as visit:
            yield visit

    def _lasts(self, request: web.Request) -> bool:
        """Whether a stream's session goes on: it has not expired, and nobody has logged out."""
        session = request[SESSION]
        known = self._door.entrance.token_header or self._door.sessions.get(request[COOKIE])
        return bool(known) and self._door.sessions.now() < session.until

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Check a request before its page, and answer errors in the page's form."""
        try:
            with self._limits.counted(request):
                await self._door.check(request)
                return reopened(str(request.rel_url)) if follows_foreign_link(request) else await handler(request)
        except NoSession as refusal:
            return self._no_session(request, refusal)
        except Refusal as refusal:
            return _error(refusal.code, refusal.message)
        except Problem as problem:
            return _error(_code(problem), problem.message)
        except web.HTTPException as error:
            return _error(error.status, SENTENCES.get(error.status, error.reason))
        except Exception:  # logged with its traceback, answered with 500 in our form and headers: aiohttp would write a bare page
            log.exception("page failed: %s", request.path)
            return _error(HTTPStatus.INTERNAL_SERVER_ERROR, FAULT)

    def _no_session(self, request: web.Request, refusal: NoSession) -> web.StreamResponse:
        if follows_foreign_link(request):
            return reopened(str(request.rel_url))
        if self._view.login and request.method == "GET" and not request.path.startswith(("/live/", "/follow/")):
            to = "/login?" + urlencode({"next": str(request.rel_url)})
            return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": to})
        return _error(refusal.code, refusal.message)

    async def _callers_closed(self, _: web.Application) -> AsyncIterator[None]:
        yield
        await self.callers.close()


FAULT = "this page could not be made, and its server has logged why; `kubectl rw describe` shows the same Run"
SENTENCES = {404: "there is no such page", 413: "this form is too large"}
PHRASES = {status.value: status.phrase for status in HTTPStatus} | {
    400: "This page cannot be shown",
    403: "You may not see this",
    404: "Not found",
    500: "This page has failed",
    502: "The API server does not answer",
}
"""Titles of the pages about errors."""


def _code(problem: Problem) -> int:
    """Return the code of an answer that tells a problem."""
    if isinstance(problem, Refused):
        codes = {"NotFound": HTTPStatus.NOT_FOUND, "Unauthorized": HTTPStatus.UNAUTHORIZED, "Conflict": HTTPStatus.CONFLICT}
        return codes.get(problem.reason, HTTPStatus.FORBIDDEN if problem.denied else HTTPStatus.BAD_REQUEST)
    return HTTPStatus.BAD_GATEWAY if isinstance(problem, Away) else HTTPStatus.BAD_REQUEST


def _error(code: int, message: str) -> web.Response:
    """Return a page that says what is wrong."""
    html = rendered("error.html", {"code": code, "title": PHRASES.get(code, "Error"), "message": message})
    return web.Response(status=code, text=html, content_type="text/html")


def reopened(url: str) -> web.Response:
    """Return a page that opens an address again: a browser sends a Strict cookie only where its own site asks for it."""
    return web.Response(text=rendered("again.html", {"url": url}), content_type="text/html")


async def _healthy(_: web.Request) -> web.StreamResponse:
    return web.Response(text="ok\n")


async def _static(request: web.Request) -> web.StreamResponse:
    found = assets().get(request.match_info["name"])
    if found is None or found.digest != request.match_info["digest"]:
        raise web.HTTPNotFound
    return web.Response(body=found.content, content_type=found.kind, charset="utf-8", headers={"Cache-Control": YEAR})


async def _add_headers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers["Server"] = "runwatchman"
