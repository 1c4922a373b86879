"""The results of one turn, and its load."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, field

from tests.bench.audit import Tally
from tests.bench.openloop.results import OpenLoop

PATIENCE_SECONDS = 60.0
PATIENCE_SECONDS_EACH = 1.0
"""Per object: many times the slowest time, since machines are shared."""
HALF, MOST = 0.5, 0.99


@dataclass(frozen=True, slots=True)
class Latency:
    """Times in seconds; None if the event never happened."""

    number: int
    p50: float | None
    p99: float | None


def latency(times: Sequence[float]) -> Latency:
    """Return the median and the 99th percentile."""
    in_order = sorted(times)
    p50, p99 = (in_order[min(int(len(in_order) * part), len(in_order) - 1)] if in_order else None for part in (HALF, MOST))
    return Latency(len(in_order), p50, p99)


@dataclass(frozen=True, slots=True)
class Load:
    """The number and kind of the objects, and the time of observation afterwards."""

    count: int
    failing: bool = False
    warm_up: int = 10
    """Objects before the measured ones, so that one-time work (connections, caches, compiled code) is not counted."""
    settling_seconds: float = 4.0
    """Longer than the delay of a status or an Event, so that delayed writes are counted, too."""
    idle_seconds: float = 10.0

    @property
    def patience(self) -> float:
        """Seconds after which a turn has failed."""
        return PATIENCE_SECONDS + PATIENCE_SECONDS_EACH * self.count


@dataclass(frozen=True, slots=True)
class Spent:
    """The CPU seconds of processes between two moments."""

    controller: float
    api_server: float
    etcd: float
    benchmark: float

    def __sub__(self, before: Spent) -> Spent:
        return Spent(*(now - then for now, then in zip(astuple(self), astuple(before), strict=True)))


@dataclass(frozen=True, slots=True)
class Turn:
    """The results of a turn: seconds, bytes, writes.

    `objects` is the total number of objects; `idle` and `tidying` follow the last one's end.
    """

    contestant: str
    load: Load
    objects: int
    wall: float
    spent: Spent
    peak: int
    written: Tally
    idle: Tally
    idle_cpu: float
    tidying: Tally
    starts: Latency
    endings: Latency
    successions: Latency


@dataclass(frozen=True, slots=True)
class Series:
    """Rounds of turns on one API server: each round has each contestant once, except for failed turns, whose reasons are listed."""

    count: int
    failing: bool
    rounds: list[dict[str, Turn]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Result:
    """All results of one run of the benchmark, with its machine; and those of the open loop, each with its own."""

    facts: dict[str, str]
    series: list[Series] = field(default_factory=list)
    open_loop: list[OpenLoop] = field(default_factory=list)
