"""The open loop's figures as Markdown. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from tests.bench.openloop.figures import (
    PARTS,
    Figure,
    Round,
    difference,
    milliseconds,
    of_operator,
    of_step,
    of_window,
    spread,
    verdicts,
)
from tests.bench.openloop.results import OpenLoop, OpenTurn, Quantiles
from tests.bench.openloop.sightings import STEPS, TOTAL
from tests.bench.table import ABSENT, judged, markdown, names, spread_text

EXTREMES = ("p50", "p99")
NOTHING_YET = "There are no figures yet: run `make latency`."


def report(loops: Sequence[OpenLoop]) -> str:
    """Return every table of every series."""
    return "\n\n".join(part for loop in loops for part in _of(loop)) or NOTHING_YET


def _of(loop: OpenLoop) -> list[str]:
    rounds = [each for each in loop.rounds if each]
    count = f"{len(rounds)} round{'s' * (len(rounds) != 1)}"
    head = f"### On {loop.nodes}: {loop.rate:g} a second for {loop.seconds:g} s, {count}"
    on = f"On {', '.join(f'{name}: {fact}' for name, fact in loop.facts.items())}."
    tables = [judged(verdicts(rounds)), starts(loop, rounds), steps(rounds), windows(loop, rounds), operator(rounds)]
    return [head, on, *(each for each in tables if each), *(f"- {failure}" for failure in loop.failures)]


def starts(loop: OpenLoop, rounds: Sequence[Round]) -> str:
    """Return a row for each kind: from the request to the started container, in milliseconds."""
    head = ["ms", "keeps up with, a second", "objects", *PARTS, *(f"more than bare pods, {part}" for part in EXTREMES)]
    return markdown([*head, "sent late, p99", "busy cores"], ([name, *_start(loop, rounds, name)] for name in names(rounds)))


def _start(loop: OpenLoop, rounds: Sequence[Round], name: str) -> list[str]:
    late: Figure = lambda turn: milliseconds(turn.late.p99)  # noqa: E731  # with its type
    return [
        f"{loop.saturation[name]:g}" if name in loop.saturation else ABSENT,
        f"{sum(each[name].sent for each in rounds if name in each):,}",
        *(spread_text(spread(rounds, name, of_step(TOTAL, part)), 0) for part in PARTS),
        *(spread_text(difference(rounds, name, of_step(TOTAL, part)), 0) for part in EXTREMES),
        spread_text(spread(rounds, name, late), 1),
        spread_text(spread(rounds, name, lambda turn: turn.busy), 1),
    ]


def steps(rounds: Sequence[Round]) -> str:
    """Return a row for each step and a column for each kind, each with its three quantiles."""
    kinds = names(rounds)
    head = ["ms at p50 / p90 / p99", "from", "until", *kinds]
    rows = ([step, *ends, *(_three(rounds, kind, partial(of_step, step)) for kind in kinds)] for step, ends in STEPS.items())
    return markdown(head, rows)


def windows(loop: OpenLoop, rounds: Sequence[Round]) -> str:
    """Return a row for each kind and a column for each window, each with its three quantiles."""
    count = max((len(turn.windows) for each in rounds for turn in each.values()), default=0)
    ends = [f"arrived until {(number + 1) * loop.window_seconds:g} s" for number in range(count)]
    rows = ([kind, *(_three(rounds, kind, partial(of_window, number)) for number in range(count))] for kind in names(rounds))
    return markdown(["ms at p50 / p90 / p99", *ends], rows)


def _three(rounds: Sequence[Round], kind: str, of: Callable[[str], Figure]) -> str:
    """Return the median over the rounds of each of the three quantiles."""
    found = [spread(rounds, kind, of(part)) for part in PARTS]
    return " / ".join(_whole(each.median) if each else ABSENT for each in found)


def operator(rounds: Sequence[Round]) -> str:
    """Return the operator's own measurements, for each kind that has them; empty if there are none."""
    rows = [(kind, what) for kind in names(rounds) for what in _measured(rounds, kind)]
    head = ["measured by the operator", "of", "each", "mean ms"]
    return markdown(head, ([what, kind, *_mean(rounds, kind, what)] for kind, what in rows)) if rows else ""


def _mean(rounds: Sequence[Round], kind: str, what: str) -> list[str]:
    return [spread_text(spread(rounds, kind, of), 1) for of in of_operator(what)]


def _measured(rounds: Sequence[Round], kind: str) -> list[str]:
    return list(dict.fromkeys(what for each in rounds if kind in each for what in each[kind].operator))


def summary(turn: OpenTurn, rate: float, *shown: str) -> str:
    """Return one line of progress, with the steps that are named."""
    parts = [f"{name} {_in_milliseconds(turn.steps[name])}" for name in shown]
    times = f"ms at p50/p90/p99: {', '.join(parts)}"
    return f"{turn.kind} at {rate:g} a second: {turn.sent} objects, {times}; {turn.busy:.1f} cores busy"


def _in_milliseconds(found: Quantiles) -> str:
    times = (milliseconds(getattr(found, part)) for part in PARTS)
    return "/".join(ABSENT if each is None else _whole(each) for each in times)


def _whole(number: float) -> str:
    """Return a number without digits, and a negative one near zero without its sign: a watch may be ahead of an answer."""
    return f"{round(number, 0) + 0.0:.0f}"
