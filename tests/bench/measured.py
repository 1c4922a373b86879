"""What is measured in one turn, and what it is measured of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, field

from tests.bench.audit import Tally

PATIENCE_SECONDS = 60.0
PATIENCE_SECONDS_EACH = 1.0
"""Of an object: many times what the slowest takes, since machines are shared."""
HALF, MOST = 0.5, 0.99


@dataclass(frozen=True, slots=True)
class Latency:
    """How long something took, in seconds; nothing where it never happened."""

    number: int
    p50: float | None
    p99: float | None


def latency(times: Sequence[float]) -> Latency:
    """Return the time within which half of them, and 99 of 100, were over."""
    in_order = sorted(times)
    p50, p99 = (in_order[min(int(len(in_order) * part), len(in_order) - 1)] if in_order else None for part in (HALF, MOST))
    return Latency(len(in_order), p50, p99)


@dataclass(frozen=True, slots=True)
class Load:
    """How many objects, of which kind, and for how long it is looked at afterwards."""

    count: int
    failing: bool = False
    warm_up: int = 10
    """Objects before the measured ones: what is made once (connections, caches, compiled code) is not theirs."""
    settling_seconds: float = 4.0
    """Longer than a status or an Event may lag behind: what is put off is counted, too."""
    idle_seconds: float = 10.0

    @property
    def patience(self) -> float:
        """Seconds after which a turn has failed."""
        return PATIENCE_SECONDS + PATIENCE_SECONDS_EACH * self.count


@dataclass(frozen=True, slots=True)
class Spent:
    """What processes used from one moment to another, in seconds of CPU."""

    controller: float
    api_server: float
    etcd: float
    benchmark: float

    def __sub__(self, before: Spent) -> Spent:
        return Spent(*(now - then for now, then in zip(astuple(self), astuple(before), strict=True)))


@dataclass(frozen=True, slots=True)
class Turn:
    """What was measured: seconds, bytes, writes. `objects` were there in all; `idle` and `tidying` follow the end of the last."""

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
    """Rounds of turns on one API server: in each round each contestant once, but for turns that failed, of which it says why."""

    count: int
    failing: bool
    rounds: list[dict[str, Turn]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Result:
    """All that one run of the benchmark has found, and on what."""

    facts: dict[str, str]
    series: list[Series] = field(default_factory=list)
