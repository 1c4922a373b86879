"""Pure: all Runs that the caller may see, in figures: phases, throughput, waiting for people, and failures by reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import NamedTuple

from controller.cli.rw.describe_model import Sentence
from controller.cli.rw.kubectl_errors import Denied
from controller.cli.rw.objects import JsonObject, created, oldest_first, status_of, time_of
from controller.cli.web.pages.run_figures import RunFigures
from controller.cli.web.pages.unreadable import Unread

HOURS = 24
"""Hours of the chart of throughput."""

WIDTH = 1000
MOST = 12
"""Maximum rows of a list."""


class Hour(NamedTuple):
    """Runs that ended within an hour."""

    since: datetime
    completed: int
    failed: int
    stopped: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.completed + self.failed + self.stopped


class Share(NamedTuple):
    """A named part of a whole, its number, its width in thousandths of the largest, and a sentence about it."""

    name: str
    number: int
    width: int
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """How long people let agents wait: those that wait now, and those answered within the shown hours."""

    open: int
    oldest: datetime | None
    answered: int
    median: timedelta | None
    expired: int


@dataclass(frozen=True, slots=True)
class FleetPage:
    """All data of the page."""

    total: int
    active: int
    phases: tuple[Share, ...]
    hours: tuple[Hour, ...]
    busiest: int
    waiting: Waiting
    failures: tuple[Share, ...]
    namespaces: tuple[Share, ...]
    tokens: int
    denied: tuple[Denied | Unread, ...]
    now: datetime


def fleet_page(
    runs: Sequence[RunFigures],
    escalations: Sequence[JsonObject],
    sentence: Sentence,
    denied: Sequence[Denied | Unread],
    now: datetime,
) -> FleetPage:
    """Return the data of the page."""
    hours, live = _hours(runs, now), [run for run in runs if run.live]
    return FleetPage(
        total=len(runs),
        active=len(live),
        phases=_shares(run.phase for run in runs),
        hours=hours,
        busiest=max(hour.total for hour in hours),
        waiting=_waiting(escalations, now),
        failures=_shares((run.reason for run in runs if run.phase == "Failed"), sentence),
        namespaces=_shares(run.namespace for run in live),
        tokens=sum(run.tokens for run in runs),
        denied=tuple(denied),
        now=now,
    )


def _shares(names: Iterable[str], sentence: Callable[[str], str] = lambda _: "") -> tuple[Share, ...]:
    found = Counter(names).most_common(MOST)
    most = max((count for _, count in found), default=1)
    return tuple(Share(name, count, count * WIDTH // most, sentence(name)) for name, count in found)


def _hours(runs: Sequence[RunFigures], now: datetime) -> tuple[Hour, ...]:
    """Return the Runs that ended in each of the last hours, the oldest first."""
    first = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=HOURS - 1)
    found: Counter[tuple[int, str]] = Counter()
    for run in runs:
        if run.ended and first <= run.ended <= now:
            found[(run.ended - first) // timedelta(hours=1), run.phase] += 1
    places = range(HOURS)
    return tuple(Hour(first + timedelta(hours=at), *(found[at, p] for p in ("Completed", "Failed", "Stopped"))) for at in places)


def _waiting(escalations: Sequence[JsonObject], now: datetime) -> Waiting:
    open_, since = oldest_first(escalations), now - timedelta(hours=HOURS)
    spans = [
        (answered - asked).total_seconds()
        for escalation in escalations
        if (answered := time_of(status_of(escalation).get("answeredAt"))) and answered >= since and (asked := created(escalation))
    ]
    expired = sum(status_of(escalation).get("phase") == "Expired" for escalation in escalations)
    half = timedelta(seconds=median(spans)) if spans else None
    return Waiting(len(open_), created(open_[0]) if open_ else None, len(spans), half, expired)
