"""The search for the highest rate at which the starts keep up with the arrivals. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt

from tests.bench.openloop.results import Quantiles

GROWTH = 2.0
"""The median of the last window relative to the first's; more means that a queue grows."""
LOST_SHARE = 0.02
"""Growth of the wait, relative to the time in which it grows: starts then come at 98 % of the arrivals' rate."""
FACTOR = 2.0
FINE_ENOUGH = 1.25
"""The lowest rate that was too high, relative to the highest that was not."""
LEAST_RATE = 0.1
DIGITS = 1


def keeps_up(found: Sequence[Quantiles], width: float) -> bool:
    """Whether starts in the last window take at most twice as long as in the first, or hardly longer; without a start they do not.

    `width` is that of a window in seconds. A queue whose wait grows by a share of the time loses that share of the arrivals' rate.
    """
    medians = [(number * width, each.p50) for number, each in enumerate(found) if each.p50 is not None]
    if not medians:
        return False
    (begin, first), (end, last) = medians[0], medians[-1]
    return last <= GROWTH * first or last - first <= LOST_SHARE * (end - begin)


def highest(tried: Mapping[float, bool]) -> float | None:
    """Return the highest rate that kept up, below the lowest that did not; None if there is none."""
    return max((rate for rate, kept_up in tried.items() if kept_up and rate < _lowest_bad(tried)), default=None)


def next_rate(tried: Mapping[float, bool], first: float) -> float | None:
    """Return the rate to try next, by doubling and then between the two nearest; None when the search is over."""
    if not tried:
        return first
    good, bad = highest(tried), _lowest_bad(tried)
    if good is None:
        return round(bad / FACTOR, DIGITS) if bad / FACTOR >= LEAST_RATE else None
    if bad == float("inf"):
        return good * FACTOR
    between = round(sqrt(good * bad), DIGITS)
    return between if bad / good > FINE_ENOUGH and good < between < bad else None


def _lowest_bad(tried: Mapping[float, bool]) -> float:
    return min((rate for rate, kept_up in tried.items() if not kept_up), default=float("inf"))
