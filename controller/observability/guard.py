"""Authorizes readers of a page: the API server must authenticate their token, and its authorizer must permit the access.

A decision is cached for a short time by the token's digest. Tokens that were valid before are reviewed at once. Reviews of unknown
tokens are rate-limited, so that nobody can use the operator to try guessed tokens at the API server.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TypeVar

import structlog

from controller.errors import RunwatchmanError

log = structlog.get_logger(__name__)

ALLOWED_SECONDS, REFUSED_SECONDS = 60.0, 10.0
"""Time for which a decision is cached. A revoked right still permits reading for ALLOWED_SECONDS."""
KNOWN_SECONDS = 3600.0
"""Time for which a token that was valid counts as known."""
MAX_ALLOWED, MAX_REFUSED = 64, 256
"""Maximum number of cached decisions."""
MAX_TOKEN_CHARACTERS = 16_384
"""Longer than any token of Kubernetes."""
STRANGERS_PER_SECOND, STRANGERS_AT_ONCE = 5.0, 20.0
"""Rate and burst of reviews of unknown tokens."""
REVIEW_SECONDS = 5.0
SCHEME = "bearer"

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Refusal:
    """The response to a client that may not read the page."""

    status: HTTPStatus
    why: str
    headers: Mapping[str, str] = field(default_factory=dict)


Review = Callable[[str], Awaitable[Refusal | None]]
"""Reviews a token: returns a refusal, None if its bearer may read. Raises RunwatchmanError if the review failed."""

ANONYMOUS = Refusal(
    HTTPStatus.UNAUTHORIZED,
    "send a token of Kubernetes: Authorization: Bearer TOKEN",
    {"WWW-Authenticate": "Bearer"},
)
TOO_MANY = Refusal(HTTPStatus.TOO_MANY_REQUESTS, "too many unknown tokens, try again later", {"Retry-After": "1"})
CANNOT_TELL = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "the API server could not review your token; the operator's log has the reason",
    {"Retry-After": "5"},
)


class Guard:
    """Authorizes requests by their Authorization header, in one event loop."""

    def __init__(self, review: Review, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._review, self._monotonic = review, monotonic
        self._allowed: OrderedDict[bytes, float] = OrderedDict()
        self._refused: OrderedDict[bytes, tuple[float, Refusal]] = OrderedDict()
        self._asking: dict[bytes, asyncio.Task[Refusal | None]] = {}
        self._strangers = Allowance(STRANGERS_PER_SECOND, STRANGERS_AT_ONCE, monotonic)
        self._failing = False

    async def refusal(self, header: str) -> Refusal | None:
        """Return the refusal for the sender of a header, None if it may read."""
        scheme, _, token = header.partition(" ")
        token = token.strip()
        if scheme.lower() != SCHEME or not token or len(token) > MAX_TOKEN_CHARACTERS or not token.isascii():
            return ANONYMOUS
        digest, now = hashlib.sha256(token.encode()).digest(), self._monotonic()
        since = self._allowed.get(digest)
        if since is not None and now - since < ALLOWED_SECONDS:
            return None
        if (known := self._refused.get(digest)) and now < known[0]:
            return known[1]
        return await self._ask(digest, token, stranger=since is None or now - since > KNOWN_SECONDS)

    async def _ask(self, digest: bytes, token: str, *, stranger: bool) -> Refusal | None:
        """Ask the API server. Concurrent requests with the same token share one review."""
        if digest not in self._asking:
            if stranger and not self._strangers.take():
                return TOO_MANY
            task = self._asking[digest] = asyncio.create_task(self._review_token(digest, token))
            task.add_done_callback(lambda _: self._asking.pop(digest))
        return await asyncio.shield(self._asking[digest])

    async def _review_token(self, digest: bytes, token: str) -> Refusal | None:
        try:
            async with asyncio.timeout(REVIEW_SECONDS):
                refused = await self._review(token)
        except (RunwatchmanError, TimeoutError) as error:
            self._log_refusal(str(error) or f"no answer within {REVIEW_SECONDS:.0f} s")
            return CANNOT_TELL
        self._failing = False
        now = self._monotonic()
        if refused is None:
            _remember(self._allowed, digest, now, MAX_ALLOWED)
        else:
            self._allowed.pop(digest, None)
            _remember(self._refused, digest, (now + REFUSED_SECONDS, refused), MAX_REFUSED)
        return refused

    def _log_refusal(self, why: str) -> None:
        """Log the first failure of a review since the last success."""
        if not self._failing:
            log.warning("metrics are refused: the API server cannot review tokens", error=why)
        self._failing = True


class Allowance:
    """A token bucket: `per_second` is its rate, `at_once` its burst."""

    def __init__(self, per_second: float, at_once: float, monotonic: Callable[[], float]) -> None:
        self._per_second, self._at_once, self._monotonic = per_second, at_once, monotonic
        self._left, self._at = at_once, monotonic()

    def take(self) -> bool:
        """Take a token from the bucket. Return whether there was one."""
        now = self._monotonic()
        self._left = min(self._at_once, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


def _remember(known: OrderedDict[bytes, V], digest: bytes, value: V, most: int) -> None:
    known[digest] = value
    known.move_to_end(digest)
    if len(known) > most:
        known.popitem(last=False)
