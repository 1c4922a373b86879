"""Estimates from data, with their intervals, and the fields of a scenario that they become."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from controller.api.base import JsonObject
from controller.simulation.intervals import NEVER_SEEN, Figure, Z, share
from controller.simulation.working_hours import WEEK

HOUR, DAY, HOURS_OF_DAY = 3600.0, 86400.0, 24
ENOUGH_HOURS = 10
"""Hours of work below which a rate keeps its default."""
ENOUGH = 10
"""Values below which a distribution, and cases below which a share, keep their default."""
QUANTILES = 64
"""Quantiles of a fitted distribution."""
OUTSIDE = 0.05
"""Share of the times that may lie outside of fitted hours: one that is late is no rule."""
ALL_DAY = 18
"""Hours of a day from which on fitted hours count as the whole day."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """One figure of the scenario, and the data that it is from. A figure without a value keeps its default."""

    field: str
    shown: str
    data: str
    figure: Figure | None = None

    @property
    def is_default(self) -> bool:
        """Whether the ledger has too little data."""
        return not self.shown


@dataclass(slots=True)
class Made:
    """The values of the scenario and the figures so far."""

    values: JsonObject = field(default_factory=dict)
    figures: list[Fitted] = field(default_factory=list)

    def put(self, path: str, value: Any, shown: str, data: str, figure: Figure | None = None) -> None:
        """Set a field; None leaves its default."""
        self.figures.append(Fitted(path, "" if value is None else shown, data, figure))
        if value is not None:
            inner = self.values
            *folders, name = path.split(".")
            for folder in folders:
                inner = inner.setdefault(folder, {})
            inner[name] = value

    def rate(self, path: str, events: int, exposure: float, words: str) -> None:
        """Set a rate by the number of events in an exposure, with the interval of a Poisson distribution."""
        figure, (unit, per) = poisson(events, exposure), words.split("/")
        enough = exposure >= (ENOUGH_HOURS if per == "h" else ENOUGH_HOURS / 24)
        shown = f"{figure.value or 0:.3g} ({figure.low or 0:.2g} to {figure.high or 0:.2g})"
        self.put(path, figure.value if enough else None, shown, f"{events:,} {unit} in {exposure:,.1f} {per} of work", figure)

    def distribution(self, path: str, values: Sequence[float], words: str) -> None:
        """Set a distribution by its quantiles."""
        enough = len(values) >= ENOUGH
        made = {"empirical": [round(value, 1) for value in quantiles(values)]} if enough else None
        shown = f"half under {short(quantile(values, 0.5))}, nine of ten under {short(quantile(values, 0.9))}" if enough else ""
        self.put(path, made, shown, f"{len(values):,} {words}")

    def durations(self, path: str, values: Sequence[tuple[float, bool]], words: str, of: str) -> None:
        """Set a distribution by values some of which are only known to be longer: those without a mark."""
        whole, ended = survival(values), sum(done for _, done in values)
        enough = ended >= ENOUGH
        shown = f"half under {short(quantile(whole, 0.5))}, nine of ten under {short(quantile(whole, 0.9))}" if enough else ""
        self.put(path, {"empirical": whole} if enough else None, shown, f"{ended:,} {words} of {len(values):,} {of}")

    def share(self, path: str, hits: int, count: int, words: str) -> None:
        """Set a share, with Wilson's interval."""
        figure = share(hits, count)
        shown = f"{figure.value:.2f} ({figure.low:.2f} to {figure.high:.2f})" if count else ""
        self.put(path, figure.value if count >= ENOUGH else None, shown, f"{hits:,} of {count:,} {words}", figure)


def poisson(events: int, exposure: float) -> Figure:
    """Return a rate with the interval of Poisson's distribution, in Byar's approximation."""
    if exposure <= 0:
        return Figure(None, None, None, events)
    low = events * (1 - 1 / (9 * events) - Z / (3 * math.sqrt(events))) ** 3 if events else 0.0
    more = events + 1
    high = more * (1 - 1 / (9 * more) + Z / (3 * math.sqrt(more))) ** 3 if events else NEVER_SEEN
    return Figure(events / exposure, max(0.0, low) / exposure, high / exposure, events)


def quantile(values: Sequence[float], part: float) -> float:
    """Return a quantile of values, 0 of none."""
    rising = sorted(values)
    return rising[min(len(rising) - 1, int(part * len(rising)))] if rising else 0.0


def quantiles(values: Sequence[float]) -> list[float]:
    """Return at most QUANTILES values that are spread as all are."""
    if len(values) <= QUANTILES:
        return sorted(values)
    return [quantile(values, index / (QUANTILES - 1)) for index in range(QUANTILES)]


def survival(works: Sequence[tuple[float, bool]]) -> list[float]:
    """Return quantiles of the whole work of Runs, some of which ended before it was done: the estimate of Kaplan and Meier.

    The share that is left at the end is put at the longest work that was seen.
    """
    left, alive, steps = 1.0, len(works), [(0.0, 0.0)]
    for work, done in sorted(works):
        if done:
            left *= 1 - 1 / alive
            steps.append((1 - left, work))
        alive -= 1
    steps.append((1.0, max((work for work, _ in works), default=0.0)))
    parts = [(index + 0.5) / QUANTILES for index in range(QUANTILES)]
    return [round(next(work for share, work in steps if share >= part), 1) for part in parts]


def window(times: Sequence[datetime]) -> JsonObject | None:
    """Return the fewest whole hours of a day that have all but a few of the times, and their days; None for the whole week."""
    by_hour, by_day = [0] * HOURS_OF_DAY, [0] * len(WEEK)
    for time in times:
        by_hour[time.hour] += 1
        by_day[time.weekday()] += 1
    needed = len(times) * (1 - OUTSIDE)
    sizes = ((size, begin) for size in range(1, HOURS_OF_DAY + 1) for begin in range(HOURS_OF_DAY))
    inside = (found for found in sizes if sum(by_hour[(found[1] + hour) % HOURS_OF_DAY] for hour in range(found[0])) >= needed)
    size, begin = next(inside)
    days = [WEEK[day].value for day, count in enumerate(by_day) if count > len(times) * OUTSIDE / len(WEEK)]
    if size >= ALL_DAY:
        size, begin = HOURS_OF_DAY, 0
    if size == HOURS_OF_DAY and len(days) == len(WEEK):
        return None
    end = (begin + size) % HOURS_OF_DAY or HOURS_OF_DAY
    return {"from": f"{begin:02}:00", "to": f"{end:02}:00", "days": days}


def short(seconds: float) -> str:
    """Return a time in its largest unit."""
    if seconds >= HOUR:
        return f"{seconds / HOUR:.1f} h"
    return f"{seconds / 60:.1f} min" if seconds >= 60 else f"{seconds:.1f} s"  # noqa: PLR2004  # seconds of a minute
