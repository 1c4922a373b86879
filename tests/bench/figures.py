"""Figures from turns: medians with their ranges, and ratios between two controllers of the same round. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from tests.bench.measured import Turn

MILLI, MIB, PERCENT = 1000, 2**20, 100

Round = Mapping[str, Turn]
"""One turn of each contestant, by name."""


@dataclass(frozen=True, slots=True)
class Spread:
    """The values of one figure over several rounds."""

    median: float
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure of a turn; None where it does not apply."""

    title: str
    of: Callable[[Turn], float | None]
    digits: int = 2


def _each(spent: float, turn: Turn) -> float:
    return spent / turn.load.count * MILLI


METRICS: Mapping[str, Metric] = {
    "wall": Metric("wall s", lambda turn: turn.wall, 1),
    "wall_each": Metric("wall ms each", lambda turn: _each(turn.wall, turn), 1),
    "cpu": Metric("CPU ms each", lambda turn: _each(turn.spent.controller, turn)),
    "server_cpu": Metric("API server's CPU ms each", lambda turn: _each(turn.spent.api_server, turn), 1),
    "etcd_cpu": Metric("etcd's CPU ms each", lambda turn: _each(turn.spent.etcd, turn), 1),
    "peak": Metric("peak RSS MiB", lambda turn: turn.peak / MIB, 0),
    "writes": Metric("writes each", lambda turn: turn.written.total / turn.load.count),
    "events": Metric("Events each", lambda turn: turn.written.events / turn.load.count),
    "refused": Metric("of them refused", lambda turn: turn.written.refused / turn.load.count),
    "tidying": Metric("writes per pod deleted", lambda turn: turn.tidying.total / turn.objects),
    "idle_writes": Metric("writes when idle", lambda turn: turn.idle.total + turn.idle.events, 0),
    "idle_cpu": Metric("CPU when idle, % of a core", lambda turn: turn.idle_cpu / turn.load.idle_seconds * PERCENT, 1),
    "start_p50": Metric("created to pod s, p50", lambda turn: turn.starts.p50),
    "start_p99": Metric("created to pod s, p99", lambda turn: turn.starts.p99),
    "ending_p50": Metric("pod's end to status s, p50", lambda turn: turn.endings.p50),
    "ending_p99": Metric("pod's end to status s, p99", lambda turn: turn.endings.p99),
    "succession_p50": Metric("pod's death to successor s, p50", lambda turn: turn.successions.p50),
    "succession_p99": Metric("pod's death to successor s, p99", lambda turn: turn.successions.p99),
}


def spread(rounds: Sequence[Round], name: str, metric: str) -> Spread | None:
    """Return a contestant's figure over the rounds; None where it was not measured."""
    return spread_of([METRICS[metric].of(each[name]) for each in rounds if name in each])


def ratio(rounds: Sequence[Round], name: str, reference: str, metric: str) -> Spread | None:
    """Return a contestant's figure relative to another's, by round: a slow round slows both."""
    of = METRICS[metric].of
    pairs = [(of(each[name]), of(each[reference])) for each in rounds if name in each and reference in each]
    return spread_of([ours / theirs if ours is not None and theirs else None for ours, theirs in pairs])


def spread_of(found: Sequence[float | None]) -> Spread | None:
    """Return the spread of the values that there are; None without any."""
    numbers = [each for each in found if each is not None]
    return Spread(median(numbers), min(numbers), max(numbers)) if numbers else None
