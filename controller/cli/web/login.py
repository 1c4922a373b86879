"""Logging in with a bearer token, and out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus

import structlog
from aiohttp import web

from controller.cli.rw.kubectl_errors import Refused
from controller.cli.web.api_access import Away
from controller.cli.web.caller import Callers
from controller.cli.web.door import COOKIE, Door, form_of, usable
from controller.cli.web.rendering import rendered
from controller.cli.web.sessions import new_cookie

log = structlog.get_logger(__name__)

OWN_PATH = re.compile(r"/(runs/[a-z0-9.-]+/[a-z0-9.-]+|inbox|policies|limits|fleet)?(\?[A-Za-z0-9=&%._-]*)?")
"""Where somebody may go after logging in: a page of ours."""

NOT_USABLE = "A token is one line without spaces"
NOT_ACCEPTED = "The API server does not accept this token: it may have expired"


@dataclass(frozen=True, slots=True)
class Login:
    """The pages `/login` and `/logout`."""

    door: Door
    callers: Callers

    def add_to(self, app: web.Application) -> None:
        """Add the routes."""
        app.router.add_get("/login", self.form)
        app.router.add_post("/login", self.enter)
        app.router.add_post("/logout", self.leave)

    async def form(self, request: web.Request) -> web.StreamResponse:
        """Return the form, with a cookie that it belongs to."""
        return self._form(request, request[COOKIE] or new_cookie(), request.query.get("next", "/"))

    async def enter(self, request: web.Request) -> web.StreamResponse:
        """Open a session for a token that the API server accepts, under a new cookie."""
        fields = await form_of(request)
        token, onward = fields.get("token", "").strip(), fields.get("next", "/")
        if not usable(token):
            return self._form(request, request[COOKIE], onward, NOT_USABLE)
        try:
            me = await self.callers.of(token).me()
        except Refused as refused:
            log.info("login refused", reason=refused.reason)
            return self._form(request, request[COOKIE], onward, NOT_ACCEPTED)
        except Away as away:
            log.warning("the API server cannot be reached", error=str(away.__cause__))
            raise
        log.info("logged in", user=me.get("username", ""))
        self.door.sessions.close(request[COOKIE])
        response = web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": own(onward)})
        self.door.entrance.set_cookie(request, response, self.door.sessions.open(token))
        return response

    async def leave(self, request: web.Request) -> web.StreamResponse:
        """End the session, here and in the browser."""
        self.door.sessions.close(request[COOKIE])
        response = web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": "/login", "Clear-Site-Data": '"cookies"'})
        self.door.entrance.set_cookie(request, response, new_cookie())
        return response

    def _form(self, request: web.Request, cookie: str, onward: str, wrong: str = "") -> web.Response:
        values = {"csrf": self.door.sessions.csrf(cookie), "onward": own(onward), "wrong": wrong}
        status = HTTPStatus.UNAUTHORIZED if wrong else HTTPStatus.OK
        response = web.Response(status=status, text=rendered("login.html", values), content_type="text/html")
        self.door.entrance.set_cookie(request, response, cookie)
        return response


def own(path: str) -> str:
    """Return a path of ours, for any other text that of the first page."""
    return path if OWN_PATH.fullmatch(path) else "/"
