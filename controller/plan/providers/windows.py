"""Pure: the windows of budgets: days, weeks from Monday and months of a time zone's calendar.

A boundary is the moment of a local midnight. Where clocks go forward over midnight it is the moment of the change, where midnight
occurs twice it is the first one. A day thus has 23 to 25 hours, and each moment is in one window.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from controller.api.budget import BudgetWindow

DAY, WEEK = timedelta(days=1), timedelta(days=7)
LONG_MONTH = timedelta(days=31)
"""No month is longer: the first of a month plus this is in the next one."""


class Window(NamedTuple):
    """A window from `start` to before `end`, in UTC."""

    start: datetime
    end: datetime


def window_at(kind: BudgetWindow, time_zone: str, now: datetime) -> Window:
    """Return the window that contains a moment."""
    zone = ZoneInfo(time_zone)
    first = _first_day(kind, now.astimezone(zone).date())
    while _midnight(first, zone) > now:
        first = _first_day(kind, first - DAY)
    following = _following(kind, first)
    while _midnight(following, zone) <= now:
        first, following = following, _following(kind, following)
    return Window(_midnight(first, zone), _midnight(following, zone))


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time.min, zone).astimezone(UTC)


def _first_day(kind: BudgetWindow, day: date) -> date:
    match kind:
        case BudgetWindow.DAY:
            return day
        case BudgetWindow.WEEK:
            return day - DAY * day.weekday()
        case BudgetWindow.MONTH:
            return day.replace(day=1)


def _following(kind: BudgetWindow, first: date) -> date:
    match kind:
        case BudgetWindow.DAY:
            return first + DAY
        case BudgetWindow.WEEK:
            return first + WEEK
        case BudgetWindow.MONTH:
            return (first + LONG_MONTH).replace(day=1)
