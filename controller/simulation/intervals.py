"""Intervals of 95 % for shares, means and quantiles of independent Runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

LEVEL = 0.95
Z = NormalDist().inv_cdf((1 + LEVEL) / 2)
NEVER_SEEN = -math.log((1 - LEVEL) / 2)
"""Upper limit of the expected number of events of which none was seen, by the Poisson distribution."""

METHODS = {
    "Shares": "Wilson",
    "Means": "Student's t; Poisson's upper limit for events that never happened",
    "Quantiles": "order statistics",
    "Differences": "Student's t, of the differences of the same Runs",
}
"""The method of each kind of interval."""


@dataclass(frozen=True, slots=True)
class Figure:
    """An estimate with its interval of 95 %, of `count` Runs. A bound is None where there are too few Runs for one."""

    value: float | None
    low: float | None
    high: float | None
    count: int


def share(hits: int, count: int) -> Figure:
    """Return a proportion with Wilson's interval."""
    if not count:
        return Figure(None, None, None, 0)
    part, spread = hits / count, Z * Z / count
    middle = (part + spread / 2) / (1 + spread)
    half = Z / (1 + spread) * math.sqrt(part * (1 - part) / count + spread / (4 * count))
    return Figure(part, min(part, max(0.0, middle - half)), max(part, min(1.0, middle + half)), count)


def rate(counts: Sequence[float]) -> Figure:
    """Return the mean of counts of events, with Student's interval; after no event at all, with Poisson's upper limit."""
    found = mean(counts)
    return Figure(0.0, 0.0, NEVER_SEEN / found.count, found.count) if found.value == 0 else found


def mean(values: Sequence[float]) -> Figure:
    """Return the mean of values that are not negative, with Student's interval."""
    found = difference(values)
    return Figure(found.value, None if found.low is None else max(0.0, found.low), found.high, found.count)


def difference(values: Sequence[float]) -> Figure:
    """Return the mean of paired differences, with Student's interval."""
    count = len(values)
    if not count:
        return Figure(None, None, None, 0)
    middle = math.fsum(values) / count
    if count == 1:
        return Figure(middle, None, None, 1)
    variance = math.fsum((value - middle) ** 2 for value in values) / (count - 1)
    half = student(count - 1) * math.sqrt(variance / count)
    return Figure(middle, middle - half, middle + half, count)


def quantile(values: Sequence[float], part: float) -> Figure:
    """Return a quantile with the interval between two of the values, which needs no assumption about their distribution."""
    rising, count = sorted(values), len(values)
    if not count:
        return Figure(None, None, None, 0)
    half = Z * math.sqrt(count * part * (1 - part))
    low, high = math.floor(count * part - half), math.ceil(count * part + half)
    return Figure(
        rising[min(count - 1, max(0, math.ceil(count * part) - 1))],
        rising[low - 1] if low >= 1 else None,
        rising[high] if high < count else None,
        count,
    )


def student(freedom: int) -> float:
    """Return the two-sided quantile of Student's t, by the expansion of Cornish and Fisher; exact for 1 and 2."""
    if freedom == 1:
        return math.tan(math.pi * LEVEL / 2)
    if freedom == 2:  # noqa: PLR2004  # the other case with a formula of its own
        return LEVEL * math.sqrt(2 / (1 - LEVEL**2))
    terms = (
        (Z**3 + Z) / (4 * freedom),
        (5 * Z**5 + 16 * Z**3 + 3 * Z) / (96 * freedom**2),
        (3 * Z**7 + 19 * Z**5 + 17 * Z**3 - 15 * Z) / (384 * freedom**3),
    )
    return Z + sum(terms)
