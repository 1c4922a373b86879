"""Time arithmetic that saturates. Objects that anybody may write hold any number, so a sum may exceed the range of datetime."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
"""The epoch. No object of a cluster is older."""

LATEST = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
"""The last moment that RFC 3339, and so the API server, can represent."""

ALL_SECONDS = int((LATEST - EARLIEST).total_seconds())


def bounded(moment: datetime) -> datetime:
    """Return the moment, limited to the range from EARLIEST to LATEST."""
    return min(max(moment, EARLIEST), LATEST)


def later(moment: datetime, seconds: float) -> datetime:
    """Return the moment plus seconds, which may be negative, limited to EARLIEST and LATEST. It never raises."""
    start, span = bounded(moment), timedelta(seconds=min(max(seconds, -ALL_SECONDS), ALL_SECONDS))
    if span >= LATEST - start:
        return LATEST
    return EARLIEST if span <= EARLIEST - start else start + span


def earlier(moment: datetime, seconds: float) -> datetime:
    """Return the moment minus seconds, with the same limits as `later`."""
    return later(moment, -seconds)


def format_time(moment: datetime) -> str:
    """Return a time in the format of Kubernetes: RFC 3339, UTC, whole seconds."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def parse_time(text: str | None) -> datetime | None:
    """Return an RFC 3339 time as an aware datetime that is safe for arithmetic, None for an empty text.

    Raises ValueError for a text that is not a time, or that has no zone.
    """
    if not text:
        return None
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} has no zone")
    return bounded(moment)
