"""The API server's clock, estimated from the Date header of its responses.

A Date header has whole seconds, so one response bounds the offset to the local monotonic clock to within a second (plus the time of
the request). The bounds of several responses are intersected.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache

HEADER_RESOLUTION = 1.0
"""Seconds by which a Date header may lag behind the clock that wrote it."""


DRIFT = 500e-6
"""Seconds per second that two clocks may drift apart: the fastest rate at which Linux slews a clock (adjtimex)."""

SET_BACK = timedelta(seconds=2)
"""A step back of at least this much means that a clock was set back; a smaller one means that the estimate improved."""

EPOCH = datetime.fromtimestamp(0, UTC)


class ServerClock:
    """Estimates the API server's time. It never uses the local wall clock after the first response."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time) -> None:
        self._monotonic = monotonic
        start = wall() - monotonic()
        self._low, self._high = start, start
        self._synced_at = monotonic()
        self._synced = False
        self._latest = EPOCH

    def observe(self, date: str | None, sent: float, received: float) -> None:
        """Update the estimate from a Date header; `sent` and `received` are monotonic seconds of the request and its response."""
        stamp = _parse(date)
        if stamp is None:
            return
        low, high = stamp - received, stamp + HEADER_RESOLUTION - sent
        slack = max(0.0, received - self._synced_at) * DRIFT
        if self._synced and max(low, self._low - slack) <= min(high, self._high + slack):
            low, high = max(low, self._low - slack), min(high, self._high + slack)
        # Otherwise this is the first response, or one of the clocks was set: use the newest response alone.
        self._low, self._high, self._synced, self._synced_at = low, high, True, received

    def now(self) -> datetime:
        """Return the API server's time, aware UTC, accurate to about a second. It goes back only if a clock was set back."""
        offset = (self._low + self._high) / 2
        estimate = EPOCH + timedelta(seconds=self._monotonic() + offset)
        if not timedelta() < self._latest - estimate < SET_BACK:
            self._latest = estimate
        return self._latest


@lru_cache(maxsize=8)  # Many responses share one Date.
def _parse(date: str | None) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp() if date else None
    except ValueError:
        return None
