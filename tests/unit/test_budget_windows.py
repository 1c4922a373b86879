"""Windows of budgets: days, weeks and months of any time zone, also where clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from controller.api.base import parse
from controller.api.budget import Budget, BudgetWindow
from controller.plan.providers.windows import window_at

ZONES = sorted(zone for zone in available_timezones() if "/" in zone and not zone.startswith(("posix/", "right/")))
SECONDS = (datetime(1990, 1, 1, tzinfo=UTC).timestamp(), datetime(2090, 1, 1, tzinfo=UTC).timestamp())
MOMENTS = st.integers(*map(int, SECONDS)).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


@pytest.mark.parametrize(
    ("kind", "zone", "now", "start", "end"),
    [
        ("Day", "Etc/UTC", "2026-12-01T00:00Z", "2026-12-01T00:00Z", "2026-12-02T00:00Z"),
        ("Day", "Etc/UTC", "2026-12-01T23:59:59.999999Z", "2026-12-01T00:00Z", "2026-12-02T00:00Z"),
        ("Day", "Europe/Berlin", "2026-12-01T23:30Z", "2026-12-01T23:00Z", "2026-12-02T23:00Z"),
        ("Day", "Europe/Berlin", "2026-03-29T12:00Z", "2026-03-28T23:00Z", "2026-03-29T22:00Z"),  # 23 hours
        ("Day", "Europe/Berlin", "2026-10-25T12:00Z", "2026-10-24T22:00Z", "2026-10-25T23:00Z"),  # 25 hours
        ("Day", "America/Havana", "2026-03-08T12:00Z", "2026-03-08T05:00Z", "2026-03-09T04:00Z"),  # no midnight
        ("Day", "America/St_Johns", "2010-11-07T03:00Z", "2010-11-07T02:30Z", "2010-11-08T03:30Z"),  # midnight twice
        ("Day", "America/St_Johns", "2010-11-07T02:29Z", "2010-11-06T02:30Z", "2010-11-07T02:30Z"),
        ("Day", "Pacific/Apia", "2011-12-30T10:00Z", "2011-12-30T10:00Z", "2011-12-31T10:00Z"),  # after a day that never was
        ("Day", "Australia/Lord_Howe", "2026-04-05T00:00Z", "2026-04-04T13:00Z", "2026-04-05T13:30Z"),  # half an hour
        ("Week", "Etc/UTC", "2026-12-06T23:59Z", "2026-11-30T00:00Z", "2026-12-07T00:00Z"),
        ("Week", "America/New_York", "2026-11-02T04:59Z", "2026-10-26T04:00Z", "2026-11-02T05:00Z"),
        ("Month", "Asia/Kolkata", "2026-12-31T18:29Z", "2026-11-30T18:30Z", "2026-12-31T18:30Z"),
        ("Month", "Etc/UTC", "2028-02-29T12:00Z", "2028-02-01T00:00Z", "2028-03-01T00:00Z"),
        ("Month", "Europe/Berlin", "2026-03-31T21:59Z", "2026-02-28T23:00Z", "2026-03-31T22:00Z"),
    ],
)
def test_a_window_begins_and_ends_at_a_local_midnight(kind: str, zone: str, now: str, start: str, end: str) -> None:
    """Days follow the zone's clock, weeks begin on Monday, months on the first."""
    moment, first, last = map(datetime.fromisoformat, (now, start, end))
    assert window_at(BudgetWindow(kind), zone, moment) == (first, last)


@given(st.sampled_from(BudgetWindow), st.sampled_from(ZONES), MOMENTS)
@example(BudgetWindow.DAY, "Pacific/Apia", datetime(2011, 12, 30, 10, tzinfo=UTC))
@example(BudgetWindow.DAY, "America/St_Johns", datetime(2010, 11, 7, 2, 30, 30, tzinfo=UTC))
def test_each_moment_is_in_one_window(kind: BudgetWindow, zone: str, now: datetime) -> None:
    """Windows follow one another without gaps, and every moment of a window finds the same one."""
    window = window_at(kind, zone, now)
    assert window.start <= now < window.end
    last = window.end - timedelta(microseconds=1)
    assert window_at(kind, zone, window.start) == window == window_at(kind, zone, last)
    assert window_at(kind, zone, window.end).start == window.end


@given(st.sampled_from(BudgetWindow), st.sampled_from(ZONES), MOMENTS)
def test_a_window_has_the_length_of_its_kind(kind: BudgetWindow, zone: str, now: datetime) -> None:
    """A window is as long as its days, give or take a change of the clock; zones that skipped a day have one shorter window."""
    days = {BudgetWindow.DAY: (0, 2), BudgetWindow.WEEK: (6, 8), BudgetWindow.MONTH: (27, 32)}[kind]
    window = window_at(kind, zone, now)
    assert timedelta(days=days[0]) < window.end - window.start <= timedelta(days=days[1])
    local = window.start.astimezone(ZoneInfo(zone))
    assert kind is not BudgetWindow.WEEK or local.weekday() == 0
    assert kind is not BudgetWindow.MONTH or local.day == 1


@pytest.mark.parametrize("zone", ["Europe/Atlantis", "Europe", "../etc/passwd", "/etc/localtime", "", "Europe/Berlin\n"])
def test_an_unknown_time_zone_is_refused(zone: str) -> None:
    """A name of no zone is refused with the field's name; it never reaches a file."""
    with pytest.raises(ValidationError) as raised:
        parse(Budget, {"name": "daily", "window": "Day", "timeZone": zone, "tokens": 1})
    assert raised.value.errors()[0]["loc"] == ("timeZone",)


def test_a_budget_has_a_limit() -> None:
    """A budget that limits nothing is a mistake."""
    with pytest.raises(ValidationError, match="at least one of tokens and costMicroUSD"):
        parse(Budget, {"name": "daily", "window": "Day"})
