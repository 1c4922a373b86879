"""Pure: converts the Events of a pod to the facts that explain why it does not start. Anybody who may create Events writes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from controller.api.base import JsonObject
from controller.api.redaction import recorded
from controller.api.timestamps import EARLIEST, parse_time
from controller.plan.snapshot import PodEvents, PodWarning

MAX_WARNINGS = 3
"""Different Events of one pod that are quoted, the newest ones."""

MAX_WORDS = 400
"""Maximum characters of one quoted Event."""

READ_LIMIT = 4096
"""Maximum characters of an Event's message that are processed; the API server accepts 1024."""

OTHERS = frozenset({"FailedScheduling"})
"""Reasons of Events whose cause is in the pod's conditions."""


def pod_events(pod_uid: str, events: Iterable[JsonObject]) -> PodEvents:
    """Return a pod's newest different Warnings, newest first. An Event that cannot be read is left out."""
    seen = sorted(_readable(pod_uid, events), key=lambda found: found[0], reverse=True)
    warnings = dict.fromkeys(warning for _, warning in seen)
    return PodEvents(pod_uid, tuple(warnings)[:MAX_WARNINGS])


def _readable(pod_uid: str, events: Iterable[JsonObject]) -> Iterator[tuple[datetime, PodWarning]]:
    for event in events:
        about, reason = event.get("involvedObject"), _line(event.get("reason"))
        mine = isinstance(about, dict) and about.get("uid") == pod_uid and event.get("type") == "Warning"
        message = _line(event.get("message") or event.get("note"))
        if mine and message and reason not in OTHERS:
            yield last_time(event), PodWarning(reason, message)


def last_time(event: JsonObject) -> datetime:
    """Return when an Event was last seen. Old and new clients set different fields, and leave the others null."""
    series, meta = event.get("series"), event.get("metadata")
    found = [
        series.get("lastObservedTime") if isinstance(series, dict) else None,
        *(event.get(field) for field in ("lastTimestamp", "eventTime", "firstTimestamp")),
    ]
    times = [time for time in map(_time, found) if time]
    return max(times, default=_time(meta.get("creationTimestamp") if isinstance(meta, dict) else None) or EARLIEST)


def _time(raw: Any) -> datetime | None:
    try:
        return parse_time(raw) if isinstance(raw, str) else None
    except ValueError:
        return None


def _line(raw: Any) -> str:
    """Return a text as one printable line without secrets, cut after that."""
    if not isinstance(raw, str):
        return ""
    flat = " ".join("".join(c if c.isprintable() else " " for c in raw[:READ_LIMIT]).split())
    clear = recorded(flat)
    return clear if len(clear) <= MAX_WORDS else f"{clear[: MAX_WORDS - 1]}…"
