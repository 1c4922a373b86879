"""Pure: a Run's attempts and waits on a line of time for each agent, in thousandths of its width."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from controller.cli.rw.describe_model import Attempt, attempts
from controller.cli.rw.objects import JsonObject, created, status_of, time_of
from controller.cli.rw.related_objects import Around
from controller.cli.rw.text import span

WIDTH = 1000
NARROWEST = 4
"""The least width of a bar, so that a short attempt is seen."""


class Bar(NamedTuple):
    """A span on a lane: its kind, which is a CSS class; where it begins and how wide it is; and its words."""

    kind: str
    at: int
    width: int
    words: str


class Lane(NamedTuple):
    """The bars of one agent."""

    agent: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Lanes:
    """The chart: from when to when, and the lanes."""

    start: datetime
    end: datetime
    lanes: tuple[Lane, ...]


def lanes(run: JsonObject, around: Around, now: datetime) -> Lanes | None:
    """Return the chart of a Run; None before it has a pod."""
    start, end = created(run), time_of(status_of(run).get("completionTime")) or now
    found = attempts(run, around)
    if start is None or not found:
        return None
    scale = _Scale(start, max(end, now if end > now else end, start))
    agents = [agent["name"] for agent in run["spec"]["agents"]]
    return Lanes(scale.start, scale.end, tuple(Lane(name, tuple(_bars(scale, name, found, around))) for name in agents))


class _Scale(NamedTuple):
    start: datetime
    end: datetime

    def bar(self, kind: str, since: datetime, until: datetime | None, words: str) -> Bar:
        """Return the bar of a span; one without an end lasts until the chart's end."""
        whole = max((self.end - self.start).total_seconds(), 1.0)
        left = _part((since - self.start).total_seconds() / whole)
        right = _part(((until or self.end) - self.start).total_seconds() / whole)
        took = span((until or self.end) - since)
        width = min(max(right - left, NARROWEST), WIDTH)
        return Bar(kind, min(left, WIDTH - width), width, f"{words}, {took}" if until else f"{words}, for {took} so far")


def _part(share: float) -> int:
    return round(min(max(share, 0.0), 1.0) * WIDTH)


def _bars(scale: _Scale, agent: str, found: Iterable[Attempt], around: Around) -> Iterator[Bar]:
    for attempt in found:
        if attempt.agent == agent:
            yield from _of_attempt(scale, attempt)
    for escalation in around.escalations:
        if escalation["spec"].get("agent") == agent and (asked := created(escalation)):
            yield scale.bar("wait", asked, _answered(escalation), f"a human is asked ({escalation['spec']['type']})")


def _of_attempt(scale: _Scale, attempt: Attempt) -> Iterator[Bar]:
    started = attempt.started or (attempt.ended if attempt.how else None)
    if attempt.created and (started is None or started > attempt.created) and not (attempt.how and started is None):
        yield scale.bar("starting", attempt.created, started, f"{attempt.name} starts")
    if attempt.started:
        ended = f": {attempt.how}" if attempt.how else ""
        yield scale.bar(_kind(attempt), attempt.started, attempt.ended, f"{attempt.name}{ended}")


def _kind(attempt: Attempt) -> str:
    if not attempt.how:
        return "running"
    return "completed" if attempt.how.startswith("exit code 0") else "failed"


def _answered(escalation: JsonObject) -> datetime | None:
    """Return when an escalation stopped waiting; None while it waits."""
    status = status_of(escalation)
    if status.get("phase") in ("Expired", "Superseded", "Resolved"):
        return time_of(status.get("answeredAt")) or time_of(escalation["spec"].get("expiresAt"))
    return time_of(status.get("answeredAt"))
