"""The schedule of reports. Pure: all times are the monotonic clock's."""

from __future__ import annotations

from collections.abc import Callable

GAP_SECONDS = 1.0
"""Minimum time between two writes; changes in between go into one write."""

BURST, REFILL_SECONDS = 8, 6.0
"""Token bucket of urgent writes: a burst of `BURST`, then one per `REFILL_SECONDS`, however many events the agent writes."""

FIRST_BACKOFF_SECONDS, MAX_BACKOFF_SECONDS = 1.0, 60.0
JITTER = 0.1
"""Share of the interval by which a periodic report may come early, so that agents that started together do not report together."""


class Pace:
    """Decides when the next report is due. `chance` returns a number from 0 to 1."""

    def __init__(self, interval: float, now: float, chance: Callable[[], float]) -> None:
        self._interval, self._chance = interval, chance
        self._beat_at = now + interval * (0.5 + chance() / 2)
        self._not_before = now
        self._failures = 0
        self._tokens, self._refilled_at = float(BURST), now
        self.urgent = False

    def due(self, now: float) -> bool:
        """Whether to report now."""
        if now < self._not_before:
            return False
        return now >= self._beat_at or (self.urgent and self._refill(now) >= 1)

    def due_at(self, now: float) -> float:
        """Return when the next report is due, from now on, if nothing else happens until then."""
        missing = max(0.0, 1 - self._tokens - (now - self._refilled_at) / REFILL_SECONDS)
        urgent_at = now + missing * REFILL_SECONDS if self.urgent else self._beat_at
        return max(now, self._not_before, min(self._beat_at, urgent_at))

    def sent(self, now: float) -> None:
        """Record that a report was sent: it contains everything that was urgent."""
        if now < self._beat_at:
            self._tokens -= 1
        self.urgent = False
        self._not_before = now + GAP_SECONDS

    def arrived(self, now: float) -> None:
        """Record that the report was written: the next periodic report is an interval from now."""
        self._failures = 0
        self._beat_at = now + self._interval * (1 - JITTER * self._chance())

    def failed(self, now: float) -> None:
        """Record that the report was not written: it stays due, after a delay that grows and differs between agents."""
        wait = min(MAX_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2 ** min(self._failures, 10))
        self._failures += 1
        self._not_before = now + wait * (0.5 + self._chance() / 2)
        self._beat_at = min(self._beat_at, self._not_before)

    def _refill(self, now: float) -> float:
        self._tokens = min(float(BURST), self._tokens + (now - self._refilled_at) / REFILL_SECONDS)
        self._refilled_at = now
        return self._tokens
