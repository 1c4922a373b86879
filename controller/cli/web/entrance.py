"""The addresses of the page, and the cookie at each."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web


@dataclass(frozen=True, slots=True)
class Entrance:
    """Where browsers find the page: `origins` as they send them, a name for cookies, and the header of a proxy's token, if any."""

    origins: frozenset[str]
    name: str
    token_header: str = ""

    def secure(self, host: str) -> bool:
        """Whether browsers reach a host of ours over TLS."""
        return f"https://{host}" in self.origins

    def cookie(self, host: str) -> str:
        """Return the name of the cookie at a host of ours. Over TLS no other host can set one of this name."""
        return f"__Host-{self.name}" if self.secure(host) else self.name

    @property
    def hosts(self) -> frozenset[str]:
        """The values of Host that are ours."""
        return frozenset(origin.partition("://")[2] for origin in self.origins)

    def cookie_of(self, request: web.Request) -> str:
        """Return the cookie that a browser has sent, empty without one."""
        return request.cookies.get(self.cookie(request.headers.get("Host", "")), "")

    def set_cookie(self, request: web.Request, response: web.StreamResponse, cookie: str) -> None:
        """Give a browser its cookie: scripts cannot read it, other sites cannot send it, and it ends with the browser."""
        host = request.headers.get("Host", "")
        name, secure = self.cookie(host), self.secure(host)
        response.set_cookie(name, cookie, path="/", httponly=True, samesite="Strict", secure=secure)
