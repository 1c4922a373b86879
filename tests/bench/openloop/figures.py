"""Figures of the open loop from its turns: medians over the rounds, in milliseconds. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tests.bench.figures import Spread, spread_of
from tests.bench.openloop.kinds import POD, RUN
from tests.bench.openloop.results import OpenTurn
from tests.bench.openloop.sightings import CONTROLLER
from tests.bench.targets import Verdict

MILLI = 1000
PARTS = ("p50", "p90", "p99")
LIMITS = {"p50": 60.0, "p99": 150.0}
"""Milliseconds of the operator's part, at half of the saturation rate."""

Round = Mapping[str, OpenTurn]
Figure = Callable[[OpenTurn], float | None]


def verdicts(rounds: Sequence[Round]) -> list[Verdict]:
    """Judge the operator's part by the median of the rounds."""
    found = {part: spread(rounds, RUN, of_step(CONTROLLER, part)) for part in LIMITS}
    return [
        Verdict(f"operator's part, {part}, ms", limit, each.median if (each := found[part]) else None)
        for part, limit in LIMITS.items()
    ]


def of_step(step: str, part: str) -> Figure:
    """Return a quantile of a step of a turn, in milliseconds."""
    return lambda turn: milliseconds(getattr(turn.steps[step], part))


def of_window(number: int, part: str) -> Figure:
    """Return a quantile of a window of a turn, in milliseconds."""
    return lambda turn: milliseconds(getattr(turn.windows[number], part))


def of_operator(what: str) -> tuple[Figure, Figure]:
    """Return how often per object the operator did something, and the mean in milliseconds."""
    return (
        lambda turn: turn.operator[what].number if what in turn.operator else 0.0,
        lambda turn: milliseconds(turn.operator[what].seconds) if what in turn.operator else None,
    )


def spread(rounds: Sequence[Round], kind: str, of: Figure) -> Spread | None:
    """Return a kind's figure over the rounds; None where it was not measured."""
    return spread_of([of(each[kind]) for each in rounds if kind in each])


def difference(rounds: Sequence[Round], kind: str, of: Figure) -> Spread | None:
    """Return a kind's figure minus the bare pods', by round: a slow round slows both."""
    pairs = [(of(each[kind]), of(each[POD])) for each in rounds if kind in each and POD in each and kind != POD]
    return spread_of([ours - bare for ours, bare in pairs if ours is not None and bare is not None])


def milliseconds(seconds: float | None) -> float | None:
    """Return seconds in milliseconds; None stays None."""
    return None if seconds is None else seconds * MILLI
