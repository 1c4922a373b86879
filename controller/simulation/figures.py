"""The figures by which policies are judged, and the comparison of two policies on the same random numbers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from controller.simulation import intervals
from controller.simulation.intervals import Figure
from controller.simulation.result import RunResult

MICRO = 1_000_000
HALF, NINE_OF_TEN = 0.5, 0.9


class Unit(Enum):
    """The unit in which a figure is shown."""

    SHARE = "share"
    SECONDS = "seconds"
    COUNT = "count"
    TOKENS = "tokens"
    DOLLARS = "dollars"


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure: its name in JSON, its words, and its value of one Run, None for a Run that has none.

    `quantile` is set for a quantile; other measures are shares or means. `more_is_better` says which way is good.
    """

    name: str
    words: str
    unit: Unit
    of: Callable[[RunResult], float | None]
    quantile: float | None = None
    more_is_better: bool = False

    def figure(self, results: Sequence[RunResult]) -> Figure:
        """Return the figure of many Runs, for one Run."""
        values = [value for result in results if (value := self.of(result)) is not None]
        if self.quantile is not None:
            return intervals.quantile(values, self.quantile)
        match self.unit:
            case Unit.SHARE:
                return intervals.share(sum(map(bool, values)), len(values))
            case Unit.COUNT:
                return intervals.rate(values)
            case _:
                return intervals.mean(values)

    def difference(self, base: Sequence[RunResult], other: Sequence[RunResult]) -> Figure:
        """Return the mean difference of the same Runs under two policies, of those that have a value under both."""
        pairs = ((self.of(a), self.of(b)) for a, b in zip(base, other, strict=True))
        return intervals.difference([b - a for a, b in pairs if a is not None and b is not None])


def _completed(result: RunResult) -> float:
    return float(result.completed)


def _completion_seconds(result: RunResult) -> float | None:
    return result.finished_seconds if result.completed else None


def _completed_within(result: RunResult) -> float:
    """Return the time to completion, endless for a Run without. Without those, a policy that stops the slow ones looks fast."""
    return math.inf if result.finished_seconds is None or not result.completed else result.finished_seconds


def _asked(result: RunResult) -> float:
    return result.questions + result.approvals + result.blocks


COMPLETED = Measure("completed", "completed", Unit.SHARE, _completed, more_is_better=True)
FALSE_STOPS = Measure("falseStops", "agents stopped that would have finished", Unit.COUNT, lambda result: result.false_stops)
P50 = Measure("completionSecondsP50", "half of the Runs complete within", Unit.SECONDS, _completed_within, HALF)
P90 = Measure("completionSecondsP90", "nine of ten Runs complete within", Unit.SECONDS, _completed_within, NINE_OF_TEN)
STUCK = Measure("stuckSeconds", "agents hanging or looping", Unit.SECONDS, lambda result: result.stuck_seconds)
CHARGED = Measure("restartsCharged", "restarts charged", Unit.COUNT, lambda result: result.charged)
ASKED = Measure("askedOfPeople", "asked of people", Unit.COUNT, _asked)
DOLLARS = Measure("dollarsWasted", "money wasted", Unit.DOLLARS, lambda result: result.cost_wasted_micro_usd / MICRO)
MEASURES = (
    COMPLETED,
    P50,
    P90,
    CHARGED,
    Measure("restartsFree", "restarts free", Unit.COUNT, lambda result: result.free),
    ASKED,
    Measure("waitingSeconds", "waiting for people", Unit.SECONDS, lambda result: result.waiting_seconds),
    FALSE_STOPS,
    STUCK,
    Measure("tokensWasted", "tokens wasted", Unit.TOKENS, lambda result: result.tokens_wasted),
    DOLLARS,
)
"""What is shown of each policy, in this order."""

COMPARED = (
    COMPLETED,
    Measure("completionSeconds", "time of Runs that both complete", Unit.SECONDS, _completion_seconds),
    *(measure for measure in MEASURES[3:]),
)
"""What is compared: the same, but for quantiles, of which the Runs have no differences."""


@dataclass(frozen=True, slots=True)
class Difference:
    """How much a measure differs under another policy, and whether that is better, worse, or not shown."""

    measure: Measure
    figure: Figure

    @property
    def verdict(self) -> Verdict:
        """Whether the interval lies on one side of 0, and on which."""
        low, high = self.figure.low, self.figure.high
        if low is None or high is None or low <= 0 <= high:
            return Verdict.NONE
        return Verdict.BETTER if (low > 0) == self.measure.more_is_better else Verdict.WORSE


class Verdict(Enum):
    """What a difference means."""

    BETTER = "better"
    WORSE = "worse"
    NONE = "no difference shown"


def endings(results: Sequence[RunResult]) -> list[tuple[str, str, int]]:
    """Return in which phase and for which reason Runs were at their end or at the horizon, with their number, most first."""
    counts = Counter((result.phase.value, str(result.reason)) for result in results)
    return [(phase, reason, count) for (phase, reason), count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]


def figures(results: Sequence[RunResult]) -> dict[str, Figure]:
    """Return each measure's figure by its name."""
    return {measure.name: measure.figure(results) for measure in MEASURES}


def compare(base: Sequence[RunResult], other: Sequence[RunResult]) -> list[Difference]:
    """Return the differences between the same Runs under two policies."""
    return [Difference(measure, measure.difference(base, other)) for measure in COMPARED]
