"""Adding seconds to moments. Objects that anybody may write hold any number: a sum that no datetime holds saturates."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
"""No object of a cluster is older than its clocks' epoch."""

LATEST = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
"""The last moment that RFC 3339, and so the API server, can write."""

ALL_SECONDS = int((LATEST - EARLIEST).total_seconds())


def bounded(moment: datetime) -> datetime:
    """Return the moment, or the nearest that an object can hold: between EARLIEST and LATEST."""
    return min(max(moment, EARLIEST), LATEST)


def later(moment: datetime, seconds: float) -> datetime:
    """Return the moment that lies so many seconds after another, or LATEST; for negative seconds, or EARLIEST. It never raises."""
    start, span = bounded(moment), timedelta(seconds=min(max(seconds, -ALL_SECONDS), ALL_SECONDS))
    if span >= LATEST - start:
        return LATEST
    return EARLIEST if span <= EARLIEST - start else start + span


def earlier(moment: datetime, seconds: float) -> datetime:
    """Return the moment that lies so many seconds before another, within the same bounds as `later`."""
    return later(moment, -seconds)


def format_time(moment: datetime) -> str:
    """Return a time as Kubernetes writes it: RFC 3339, UTC, whole seconds."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def parse_time(text: str | None) -> datetime | None:
    """Return an RFC 3339 time as an aware datetime that can be reckoned with, None for none.

    Raises ValueError for a text that is no time.
    """
    return bounded(datetime.fromisoformat(text)) if text else None
