"""The figures of both ways to play, their intervals, and whether they agree."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from controller.api.phases import Phase
from controller.simulation.result import RunResult

Z95 = 1.96
"""Standard deviations of a 95 % interval."""

FIGURES: dict[str, Callable[[RunResult], float | None]] = {
    "completed": lambda run: run.completed,
    "failed": lambda run: run.phase is Phase.FAILED,
    "time until the end or the horizon, s": lambda run: run.finished_seconds,
    "attempts": lambda run: run.attempts,
    "restarts, charged": lambda run: run.charged,
    "restarts, free": lambda run: run.free,
    "questions": lambda run: run.questions,
    "blocks": lambda run: run.blocks,
    "time waiting for people, s": lambda run: run.waiting_seconds,
    "false stops": lambda run: run.false_stops,
}
"""The compared figures; None stands for the horizon."""


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: the means of a Run, and how far two such means may lie apart by chance in 95 % of the cases."""

    name: str
    played: float
    simulated: float
    interval: float

    @property
    def agrees(self) -> bool:
        """Whether the difference is within the interval."""
        return abs(self.played - self.simulated) <= self.interval


def compare(played: Sequence[RunResult], simulated: Sequence[RunResult], many: Sequence[RunResult], horizon: int) -> list[Row]:
    """Compare the same Runs; `many` others show how much a mean differs by chance."""
    rows = []
    for name, figure in FIGURES.items():
        real, virtual, others = (
            [float(horizon if (value := figure(run)) is None else value) for run in runs] for runs in (played, simulated, many)
        )
        rows.append(Row(name, fmean(real), fmean(virtual), Z95 * stdev(others) * math.sqrt(2 / len(real))))
    return rows


def same(played: Sequence[RunResult], simulated: Sequence[RunResult]) -> float:
    """Return the share of the Runs that ended in the same phase with the same number of attempts."""
    pairs = list(zip(played, simulated, strict=True))
    return sum((one.phase, one.attempts) == (other.phase, other.attempts) for one, other in pairs) / len(pairs)


def table(rows: Sequence[Row]) -> str:
    """Return the comparison as a table in Markdown."""
    head = ["| mean of a Run | played | simulated | difference | 95 % interval | |", "|---|---|---|---|---|---|"]
    lines = [
        f"| {row.name} | {row.played:.2f} | {row.simulated:.2f} | {row.simulated - row.played:+.2f} | ± {row.interval:.2f} |"
        f" {'agrees' if row.agrees else '**differs**'} |"
        for row in rows
    ]
    return "\n".join([*head, *lines])
