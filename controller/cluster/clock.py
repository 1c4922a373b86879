"""The API server's clock, estimated from the Date header of its answers.

A Date header has whole seconds, so one answer bounds the offset to the local monotonic clock to within a second (plus the time the
request took); the bounds of several answers are intersected.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

HEADER_RESOLUTION = 1.0
"""Seconds that a Date header may lie behind the clock that wrote it."""


class ServerClock:
    """Tells the API server's time without ever asking the local wall clock once an answer has been seen."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time) -> None:
        self._monotonic = monotonic
        start = wall() - monotonic()
        self._low, self._high = start, start
        self._heard = False

    def hear(self, date: str | None, sent: float, received: float) -> None:
        """Learn from one answer's Date header; `sent` and `received` are monotonic seconds of the request and its answer."""
        stamp = _parse(date)
        if stamp is None:
            return
        low, high = stamp - received, stamp + HEADER_RESOLUTION - sent
        low, high = (max(low, self._low), min(high, self._high)) if self._heard else (low, high)
        if low > high:  # One of the clocks was set: believe the newest answer.
            low, high = stamp - received, stamp + HEADER_RESOLUTION - sent
        self._low, self._high, self._heard = low, high, True

    def now(self) -> datetime:
        """Return the API server's time, aware UTC, good to about a second."""
        offset = (self._low + self._high) / 2
        return datetime.fromtimestamp(0, UTC) + timedelta(seconds=self._monotonic() + offset)


def _parse(date: str | None) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp() if date else None
    except ValueError:
        return None
