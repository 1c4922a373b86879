"""Sessions of browsers, in memory only: a cookie that nobody can guess, and the CSRF token that belongs to it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

MAX_SESSIONS = 5_000
"""Sessions at a time; the oldest gives way."""

ID_BYTES = 32


@dataclass(frozen=True, slots=True)
class Session:
    """Who a browser acts for, until when in seconds since the epoch."""

    token: str
    until: float


@dataclass
class Sessions:
    """All sessions, by the digest of their cookie, so that this memory gives no cookie away."""

    seconds: float
    now: Callable[[], float] = time.time
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(ID_BYTES))
    _open: dict[str, Session] = field(default_factory=dict)

    def open(self, token: str) -> str:
        """Begin a session for a token and return its cookie. It ends with the token, if the token says when that is."""
        self._forget_ended()
        while len(self._open) >= MAX_SESSIONS:
            del self._open[next(iter(self._open))]
        cookie = new_cookie()
        until = self.now() + self.seconds
        self._open[_digest(cookie)] = Session(token, min(until, expiry_of(token) or until))
        return cookie

    def get(self, cookie: str) -> Session | None:
        """Return the session of a cookie; None if there is none, or none any more."""
        found = self._open.get(_digest(cookie))
        return found if found and self.now() < found.until else None

    def close(self, cookie: str) -> None:
        """End a session."""
        self._open.pop(_digest(cookie), None)

    def csrf(self, cookie: str) -> str:
        """Return the token that a form needs beside this cookie."""
        return hmac.new(self._key, cookie.encode(), hashlib.sha256).hexdigest()

    def fits(self, cookie: str, csrf: str) -> bool:
        """Whether a form's token belongs to the cookie."""
        return bool(cookie) and hmac.compare_digest(self.csrf(cookie).encode(), csrf.encode())

    def _forget_ended(self) -> None:
        moment = self.now()
        for digest in [digest for digest, session in self._open.items() if session.until <= moment]:
            del self._open[digest]


def new_cookie() -> str:
    """Return a value that nobody can guess."""
    return secrets.token_urlsafe(ID_BYTES)


def expiry_of(token: str) -> float | None:
    """Return when a JSON Web Token expires, None if it does not say. It ends the session; the API server checks the token."""
    try:
        body = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        return float(claims["exp"])
    except (IndexError, KeyError, TypeError, ValueError, RecursionError, binascii.Error):
        return None


def _digest(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()
