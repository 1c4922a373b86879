"""What a request must have before any page looks at it: a known Host, our own Origin, a session, and a form's token."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import web

from controller.cli.web.entrance import Entrance
from controller.cli.web.sessions import Session, Sessions, new_cookie

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)

HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "X-Robots-Tag": "noindex",
}
"""Headers of every answer."""

HEALTH = "/healthz"
"""Path of the probe, which has no other Host than a pod's address."""

OPEN = re.compile(r"/(static/.*|login|start/.*|healthz)")
"""Paths that need no session."""

PATH = re.compile(r"/(?!/)[A-Za-z0-9._~%/+-]*")
"""Paths of ours: none that a browser may take for another host."""

FORM_SECONDS = 20.0
"""Time for a form to arrive."""

CSRF_FIELD, CSRF_HEADER = "csrf", "X-CSRF-Token"

SESSION: web.RequestKey[Session] = web.RequestKey("session", Session)
COOKIE: web.RequestKey[str] = web.RequestKey("cookie", str)


class Refusal(Exception):
    """A request that no page answers: a code, and a sentence for the person."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


class NoSession(Refusal):
    """There is no session, or it has ended."""

    def __init__(self) -> None:
        super().__init__(HTTPStatus.UNAUTHORIZED, "your session has ended, or there was none")


@dataclass(frozen=True, slots=True)
class Door:
    """Checks requests."""

    entrance: Entrance
    sessions: Sessions

    async def check(self, request: web.Request) -> None:
        """Raise Refusal for a request that may be another site's, NoSession for one of nobody."""
        if request.path == HEALTH:
            return
        self._check_address(request)
        request[COOKIE] = self.entrance.cookie_of(request)
        if request.method not in ("GET", "HEAD", "POST"):
            raise Refusal(HTTPStatus.METHOD_NOT_ALLOWED, f"{request.method} is no method of this page")
        if not OPEN.fullmatch(request.path):
            request[SESSION] = self._session(request)
        if request.method == "POST":
            await self._check_form(request)

    def _check_address(self, request: web.Request) -> None:
        """Refuse a name that rebinding made ours, and what other sites start, except that somebody follows a link."""
        if request.headers.get("Host", "") not in self.entrance.hosts or len(request.headers.getall("Host")) > 1:
            raise Refusal(HTTPStatus.MISDIRECTED_REQUEST, "this server does not serve that host")
        if not PATH.fullmatch(request.rel_url.raw_path):
            raise Refusal(HTTPStatus.NOT_FOUND, "there is no such page")
        origin = request.headers.get("Origin")
        if origin not in (None, "null") and origin not in self._own_origins(request):
            raise Refusal(HTTPStatus.FORBIDDEN, "another site sent this request")
        if request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site") and not _follows_link(
            request.headers, request.method
        ):
            raise Refusal(HTTPStatus.FORBIDDEN, "another site sent this request")

    def _own_origins(self, request: web.Request) -> list[str]:
        host = request.headers.get("Host", "")
        return [origin for origin in self.entrance.origins if origin.partition("://")[2] == host]

    def _session(self, request: web.Request) -> Session:
        if self.entrance.token_header:
            return self._proxied(request)
        found = self.sessions.get(request[COOKIE])
        if found is None:
            raise NoSession
        return found

    def _proxied(self, request: web.Request) -> Session:
        """Return a session for this request only, with the token that the authenticating proxy added."""
        values = request.headers.getall(self.entrance.token_header, [])
        token = values[0].removeprefix("Bearer ").strip() if len(values) == 1 else ""
        if not usable(token):
            raise NoSession
        request[COOKIE] = request[COOKIE] or new_cookie()
        return Session(token, self.sessions.now() + self.sessions.seconds)

    async def _check_form(self, request: web.Request) -> None:
        """Refuse a form that no page of ours made for this browser."""
        ours = request.headers.get("Origin") in self.entrance.origins or request.headers.get("Sec-Fetch-Site") == "same-origin"
        if not ours:
            raise Refusal(HTTPStatus.FORBIDDEN, "another site sent this form")
        if request.content_type != "application/x-www-form-urlencoded":
            raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"{request.content_type} is no form")
        given = request.headers.get(CSRF_HEADER) or (await form_of(request)).get(CSRF_FIELD, "")
        if not self.sessions.fits(request[COOKIE], given):
            raise Refusal(HTTPStatus.FORBIDDEN, "this form is not of your session: reload the page and send it again")


async def form_of(request: web.Request) -> dict[str, str]:
    """Return the fields of a form that are texts. Raises Refusal for one that does not arrive in time."""
    try:
        async with asyncio.timeout(FORM_SECONDS):
            fields = await request.post()
    except TimeoutError as error:
        message = f"this form did not arrive within {FORM_SECONDS:.0f} seconds: send it again"
        raise Refusal(HTTPStatus.REQUEST_TIMEOUT, message) from error
    return {key: value for key, value in fields.items() if isinstance(value, str)}


def follows_foreign_link(request: web.Request) -> bool:
    """Whether somebody follows another site's link to a page. The browser has not sent the Strict cookie, and must ask again."""
    foreign = request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site")
    return foreign and not request.path.startswith(("/static/", "/start/", "/healthz"))


def _follows_link(headers: Mapping[str, str], method: str) -> bool:
    """Whether a browser opens the page in a tab, as after a click on a link of another site."""
    return method == "GET" and headers.get("Sec-Fetch-Mode") == "navigate" and headers.get("Sec-Fetch-Dest") == "document"


MAX_TOKEN = 16_384


def usable(token: str) -> bool:
    """Whether a text may be a bearer token, and so a header's value."""
    return 0 < len(token) <= MAX_TOKEN and token.isascii() and token.isprintable() and " " not in token
