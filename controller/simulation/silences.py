"""Healthy silences of agents, estimated from the longest one of each attempt: that is what `--ledger-detail all` keeps."""

from __future__ import annotations

import math
from collections.abc import Sequence

from controller.simulation.estimates import QUANTILES, quantile

SHORTEST = 60
"""Seconds of the shortest silence that counts. Less is the pause between two reports."""
LEAST_RATE, MOST_RATE = 1e-6, 1e3
STEPS = 60
"""Halvings of the range of a rate: enough for all digits of a float."""
SLOW = 700
"""Exponent from which on a float overflows."""

Longest = tuple[float, float]
"""The hours of an attempt, and the seconds of its longest healthy silence."""


def silences(longest: Sequence[Longest]) -> tuple[float, list[float]]:
    """Return how many silences an hour of work has, and quantiles of their lengths; none of them is shorter than SHORTEST.

    If silences come at random, an attempt of T hours has none longer than x with the probability exp(-r(x) T). The rate r(x) is
    estimated for each observed length x, by the greatest likelihood; its fall with x is the distribution of the lengths.
    """
    lengths = sorted({silence for _, silence in longest if silence >= SHORTEST})
    all_over = rate_over(longest, SHORTEST)
    if not lengths or not all_over:
        return 0.0, []
    grid = sorted({quantile(lengths, index / QUANTILES) for index in range(QUANTILES)})
    left = [min(1.0, rate_over(longest, length) / all_over) for length in grid]
    parts = [(index + 0.5) / QUANTILES for index in range(QUANTILES)]
    found = (next((at for at, share in zip(grid, left, strict=True) if share <= 1 - part), lengths[-1]) for part in parts)
    return all_over, [round(length, 1) for length in found]


def rate_over(longest: Sequence[Longest], length: float) -> float:
    """Return the most likely rate an hour of silences that are at least so long."""
    hits = [hours for hours, silence in longest if silence >= length and hours > 0]
    misses = math.fsum(hours for hours, silence in longest if silence < length)
    if not hits:
        return 0.0
    low, high = LEAST_RATE, MOST_RATE
    for _ in range(STEPS):
        middle = math.sqrt(low * high)
        slope = math.fsum(hours / math.expm1(middle * hours) for hours in hits if middle * hours < SLOW) - misses
        low, high = (middle, high) if slope > 0 else (low, middle)
    return low
