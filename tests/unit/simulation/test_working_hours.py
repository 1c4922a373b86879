"""Working hours: the time to an answer passes within them only."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api.base import parse
from controller.simulation.working_hours import MONDAY, WEEK, Hours

OFFICE = {"from": "09:00", "to": "17:00", "days": ["Mon", "Tue", "Wed", "Thu", "Fri"]}
NIGHT = {"from": "22:00", "to": "06:00"}


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """Return a time of the first week, by its day from 1 for Monday."""
    return MONDAY + timedelta(days=day - 1, hours=hour, minutes=minute)


@pytest.mark.parametrize(
    ("hours", "start", "seconds", "end"),
    [
        ({}, at(1, 3), 7200, at(1, 5)),
        (OFFICE, at(1, 10), 3600, at(1, 11)),
        (OFFICE, at(1, 16), 7200, at(2, 10)),
        (OFFICE, at(1, 3), 60, at(1, 9, 1)),
        (OFFICE, at(5, 16, 30), 3600, at(8, 9, 30)),
        (OFFICE, at(6, 12), 0, at(8, 9)),
        (NIGHT, at(1, 1), 3600, at(1, 2)),
        (NIGHT, at(1, 5), 7200, at(1, 23)),
    ],
)
def test_an_answer_waits_for_the_hours(hours: dict[str, Any], start: datetime, seconds: float, end: datetime) -> None:
    """Outside of the hours the time to an answer stands still: overnight, and over the weekend."""
    assert parse(Hours, hours).end_of(start, seconds) == end


HOURS = st.builds(
    lambda times, days: parse(Hours, {"from": times[0], "to": times[1], "days": sorted(days)}),
    st.tuples(*[st.sampled_from(["00:00", "06:30", "12:00", "18:00", "24:00"])] * 2),
    st.sets(st.sampled_from([day.value for day in WEEK]), min_size=1),
)


@given(hours=HOURS, minutes=st.integers(0, 20_000), first=st.integers(0, 50_000), second=st.integers(0, 50_000))
def test_times_add_up(hours: Hours, minutes: int, first: int, second: int) -> None:
    """Two waits after one another take as long as their sum, and none ends before it began."""
    start = MONDAY + timedelta(minutes=minutes)
    middle = hours.end_of(start, first)
    assert start <= middle <= hours.end_of(middle, second)
    if first and second:
        assert hours.end_of(middle, second) == hours.end_of(start, first + second)


@given(hours=HOURS, u=st.floats(0, 1, exclude_max=True))
def test_runs_are_created_within_the_hours(hours: Hours, u: float) -> None:
    """A moment of creation is at most at the very end of the hours."""
    created = hours.moment(u)
    assert hours.end_of(created - timedelta(seconds=1), 1) <= created + timedelta(seconds=1)
