"""The type of options that are a time: RFC 3339, or an age such as 7d."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import click

from controller.api.timestamps import earlier, parse_time

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
AGE = re.compile(r"(\d{1,9})([smhdw])")


class Moment(click.ParamType[datetime]):
    """A parameter type: an RFC 3339 time, or an age such as 7d."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the time, aware."""
        if isinstance(value, datetime):
            return value
        if age := AGE.fullmatch(value):
            return earlier(datetime.now(UTC), int(age[1]) * UNITS[age[2]])
        try:
            moment = parse_time(value)
        except ValueError:
            moment = None
        return moment or self.fail(f"{value!r} is no time: give one with a zone, 2026-01-31T12:00:00Z, or an age, 7d", param, ctx)
