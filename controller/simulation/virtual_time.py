"""Virtual time: whole milliseconds since a Run's creation, and the API server's times for them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime, timedelta

from controller.simulation.distributions import Distribution
from controller.simulation.draws import Draws

MILLISECOND = timedelta(milliseconds=1)
SECOND = 1000
"""Milliseconds of a second."""

HOURS_OF_DAY = 24
NEVER = 2**62
"""A time after every horizon."""


def milliseconds(seconds: float) -> int:
    """Return seconds in whole milliseconds; NEVER for infinity."""
    return NEVER if math.isinf(seconds) else round(seconds * SECOND)


class Clock:
    """Converts between virtual time and the API server's."""

    def __init__(self, created: datetime) -> None:
        self._created = created

    def at(self, time: int) -> datetime:
        """Return the API server's time."""
        return self._created + timedelta(milliseconds=time)

    def stamp(self, time: int) -> datetime:
        """Return the API server's time in whole seconds, as objects have it."""
        return self._created + timedelta(seconds=time // SECOND)

    def reach(self, moment: datetime) -> int:
        """Return the first virtual time that is not before a moment."""
        return -((self._created - moment) // MILLISECOND)


class Windows:
    """Times in which something lasts, such as an outage, from the Run's creation to the horizon. They do not overlap."""

    def __init__(self, draws: Draws, purpose: str, per_day: float, lasts: Distribution, horizon: int) -> None:
        self._spans = list(_spans(draws, purpose, per_day, lasts, horizon))

    def edges(self) -> Iterator[int]:
        """Yield when each window begins and ends."""
        return (moment for span in self._spans for moment in span)

    def end_of(self, time: int) -> int | None:
        """Return the end of the window that a time is in, None outside of all."""
        return next((end for begin, end in self._spans if begin <= time < end), None)

    def first_within(self, begin: int, end: int) -> int | None:
        """Return the first time of [begin, end) that is in a window."""
        return next((max(begin, first) for first, last in self._spans if first < end and last > begin), None)


def _spans(draws: Draws, purpose: str, per_day: float, lasts: Distribution, horizon: int) -> Iterator[tuple[int, int]]:
    time, number = 0, 0
    while per_day:
        time += milliseconds(draws.gap(per_day / HOURS_OF_DAY, purpose, number))
        if time >= horizon:
            return
        length = milliseconds(lasts.sample(draws.uniform(purpose, "lasts", number)))
        if length:
            yield time, time + length
        time, number = time + length, number + 1
