"""Hours of a week: when Runs are created, and when people answer. All times of a scenario are of one clock, its people's."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Self

from pydantic import Field, model_validator

from controller.api.base import ApiEnum, ApiModel
from controller.api.measures import TimeOfDay, wrong

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
"""The first day of every simulation. Any Monday would do."""
DAY = timedelta(days=1)


class Weekday(ApiEnum):
    """The days of a week, in order."""

    MON = "Mon"
    TUE = "Tue"
    WED = "Wed"
    THU = "Thu"
    FRI = "Fri"
    SAT = "Sat"
    SUN = "Sun"


WEEK = tuple(Weekday)
Days = Annotated[tuple[Weekday, ...], Field(min_length=1, max_length=len(WEEK))]


class Hours(ApiModel):
    """A part of each day, on some days of the week. One that ends before it begins goes on until the next morning."""

    begins: TimeOfDay = Field(default="00:00", alias="from", description="The time at which it begins.")
    ends: TimeOfDay = Field(default="24:00", alias="to", description="The time at which it ends; the next day's if not after from.")
    days: Days = Field(default=WEEK, description="The days on which it begins, of Mon, Tue, Wed, Thu, Fri, Sat, Sun.")

    def end_of(self, start: datetime, seconds: float) -> datetime:
        """Return the moment at which `seconds` of these hours have passed since `start`."""
        left = timedelta(seconds=seconds)
        for begins, ends in self._periods(start - DAY):
            first = max(begins, start)
            if first < ends and left <= ends - first:
                return first + left
            left -= max(ends - first, timedelta())
        raise AssertionError  # the periods never end

    def between(self, start: datetime, end: datetime) -> float:
        """Return the seconds of these hours between two moments."""
        total = timedelta()
        for begins, ends in self._periods(start - DAY):
            if begins >= end:
                return total.total_seconds()
            total += max(min(ends, end) - max(begins, start), timedelta())
        raise AssertionError  # the periods never end

    def moment(self, u: float) -> datetime:
        """Return a moment of these hours in the first week, by a number within (0, 1)."""
        place = u * len(self.days)
        begins = min(int(place), len(self.days) - 1)
        day = MONDAY + WEEK.index(self.days[begins]) * DAY
        first, last = self._period(day)
        return first + round((place - begins) * (last - first) / timedelta(seconds=1)) * timedelta(seconds=1)

    def _periods(self, since: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Yield the periods that begin on the day of `since` or later."""
        day = MONDAY + (since - MONDAY) // DAY * DAY
        while True:
            if WEEK[(day - MONDAY) // DAY % len(WEEK)] in self.days:
                yield self._period(day)
            day += DAY

    def _period(self, day: datetime) -> tuple[datetime, datetime]:
        begins, ends = _since_midnight(self.begins) % DAY, _since_midnight(self.ends)
        return day + begins, day + (ends if ends > begins else ends + DAY)

    @model_validator(mode="after")
    def _days_once(self) -> Self:
        if len(set(self.days)) != len(self.days):
            raise wrong("has a day twice: keep one", at="days")
        return self


def _since_midnight(text: str) -> timedelta:
    hours, minutes = text.split(":")
    return timedelta(hours=int(hours), minutes=int(minutes))
