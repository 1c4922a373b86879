"""A Poisson process: the times at which objects are created. Pure."""

from __future__ import annotations

from random import Random


def arrivals(rate: float, seconds: float, seed: str) -> list[float]:
    """Return the times in [0, seconds) of a Poisson process with this many arrivals a second; a seed gives the same times again."""
    random, at, times = Random(seed), 0.0, []  # noqa: S311  # no secret
    while (at := at + random.expovariate(rate)) < seconds:
        times.append(at)
    return times


def evenly(rate: float, count: int) -> list[float]:
    """Return this many times at equal distances, from 0 on."""
    return [number / rate for number in range(count)]
