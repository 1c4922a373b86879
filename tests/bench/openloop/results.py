"""The results of the open loop: turns at one rate, on one kind of nodes. Times are in seconds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

PARTS = (0.5, 0.9, 0.99)
DIGITS = 4
"""Of seconds: a tenth of a millisecond."""


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Quantiles of times in seconds; None without any time."""

    number: int
    p50: float | None
    p90: float | None
    p99: float | None


def quantiles(times: Iterable[float]) -> Quantiles:
    """Return the median, the 90th and the 99th percentile, each the time at its rank."""
    in_order = sorted(times)
    last = len(in_order) - 1
    return Quantiles(
        len(in_order), *(round(in_order[min(int(len(in_order) * part), last)], DIGITS) if in_order else None for part in PARTS)
    )


def windows(found: Sequence[tuple[float, float]], width: float, seconds: float) -> list[Quantiles]:
    """Group (time of arrival, duration) by windows of arrival, from 0 to `seconds`, and return the quantiles of each."""
    groups: list[list[float]] = [[] for _ in range(max(1, round(seconds / width)))]
    for at, took in found:
        groups[min(int(at / width), len(groups) - 1)].append(took)
    return [quantiles(group) for group in groups]


@dataclass(frozen=True, slots=True)
class Mean:
    """The number of times that the operator did something, and the mean duration in seconds."""

    number: float
    seconds: float


@dataclass(frozen=True, slots=True)
class OpenTurn:
    """One kind of object alone, for some seconds.

    `steps` are the steps of a start by name, see `sightings.STEPS`. `windows` have the time from the request to the started
    container, by the time of arrival. `operator` has the operator's own measurements, per object. `busy` is the mean number of busy
    cores.
    """

    kind: str
    sent: int
    late: Quantiles
    """How long after its time each request was sent: the benchmark's own delay."""
    steps: dict[str, Quantiles]
    windows: list[Quantiles]
    operator: dict[str, Mean]
    busy: float


@dataclass(frozen=True, slots=True)
class OpenLoop:
    """Rounds of turns at one rate; in each round every kind has the same times of arrival, except for failed turns.

    `saturation` has the highest rate at which each kind kept up, empty if the rate was given.
    """

    nodes: str
    facts: dict[str, str]
    rate: float
    seconds: float
    window_seconds: float
    saturation: dict[str, float] = field(default_factory=dict)
    rounds: list[dict[str, OpenTurn]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
