"""The results of simulations as text for a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from textwrap import wrap

from controller.api.phases import Phase
from controller.simulation.document import Played, Setting, sentence
from controller.simulation.engine import NOT_SIMULATED
from controller.simulation.figures import (
    ASKED,
    CHARGED,
    COMPLETED,
    DOLLARS,
    FALSE_STOPS,
    MEASURES,
    P50,
    STUCK,
    Difference,
    Measure,
    Unit,
    Verdict,
    compare,
    endings,
)
from controller.simulation.intervals import LEVEL, METHODS, Figure
from controller.simulation.result import RunResult

HUNDRED = 100
HOUR, MINUTE = 3600, 60
MILLION = 1_000_000
WIDTH = 120
"""Columns of sentences."""
SWEPT = {
    COMPLETED: "completed",
    P50: "half within",
    CHARGED: "charged",
    ASKED: "asked a day",
    FALSE_STOPS: "false stops",
    STUCK: "stuck",
    DOLLARS: "wasted",
}
"""The columns of a sweep's table, with their titles."""


def heading(setting: Setting) -> str:
    """Return what was simulated, in one line."""
    hours = setting.scenario.horizon_seconds / HOUR
    return f"Scenario {setting.name}: {setting.runs:,} Runs for {hours:g} h each, seed {setting.seed}"


def policies(setting: Setting, played: Sequence[Played]) -> Iterator[str]:
    """Yield the figures of each policy, and what each two of them differ in."""
    yield heading(setting)
    yield ""
    rows = [_row(setting, measure, played) for measure in MEASURES]
    yield from aligned([["", *(each.policy for each in played)], *rows, *_ends(played)])
    for index, base in enumerate(played):
        for other in played[index + 1 :]:
            yield ""
            yield from _compared(setting, base, other)
    yield from _notes()


def swept(setting: Setting, played: Sequence[Played]) -> Iterator[str]:
    """Yield one line for each policy and value."""
    yield heading(setting)
    yield ""
    several = len({each.policy for each in played}) > 1
    first = ["policy"] if several else []
    rows = [[*first, setting.sweep, *SWEPT.values()]]
    for each in played:
        figures = [_shown(setting, measure, measure.figure(each.results)) for measure in SWEPT]
        rows.append([*([each.policy] if several else []), str(each.value), *figures])
    yield from aligned(rows)
    yield ""
    yield from wrap(
        "half within: the time within which half of the Runs complete. charged: restarts, per 100 Runs. asked a day: of people, at "
        f"{setting.scenario.runs_per_day:g} Runs a day. false stops: agents stopped that would have finished, per 100 Runs. stuck: "
        "time in which agents hang or loop, per Run. wasted: money, per Run.",
        WIDTH,
    )
    yield from _notes()


def change(setting: Setting, measure: Measure, now: Sequence[RunResult], new: Sequence[RunResult]) -> str:
    """Return a measure's figure under a new policy, and without its interval under the one that is in force now."""
    before, after = (_shown(setting, measure, measure.figure(results)) for results in (now, new))
    return f"{_title(setting, measure)} {after}, now {before.partition(' (')[0]}"


def _row(setting: Setting, measure: Measure, played: Sequence[Played]) -> list[str]:
    return [_title(setting, measure), *(_shown(setting, measure, measure.figure(each.results)) for each in played)]


def _ends(played: Sequence[Played]) -> Iterator[list[str]]:
    """Yield a row for each way in which Runs were not completed, the most frequent first, and how many Runs went it."""
    counts = [{(phase, reason): count for phase, reason, count in endings(each.results)} for each in played]
    ways = {way for found in counts for way in found if way[0] != Phase.COMPLETED}
    for way in sorted(ways, key=lambda way: (-max(found.get(way, 0) for found in counts), way)):
        shown = [f"{found.get(way, 0) / len(each.results) * HUNDRED:.1f} %" for found, each in zip(counts, played, strict=True)]
        yield [f"  {way[0]}, {way[1]}" if way[0] != way[1] else f"  {way[0]}", *shown]


def _title(setting: Setting, measure: Measure) -> str:
    """Return a measure's words with what it is counted by."""
    if measure is ASKED:
        return f"{measure.words} a day, at {setting.scenario.runs_per_day:g} Runs a day"
    if measure.unit is Unit.COUNT:
        return f"{measure.words}, per 100 Runs"
    return measure.words if measure.unit is Unit.SHARE or measure.quantile else f"{measure.words}, per Run"


def _shown(setting: Setting, measure: Measure, figure: Figure, *, signed: bool = False) -> str:
    """Return a figure with its interval."""
    value, low, high = (_number(setting, measure, bound, signed=signed) for bound in (figure.value, figure.low, figure.high))
    if figure.value is None:
        return "-"
    if figure.low is not None and math.isinf(figure.low):
        return low
    return f"{value}{_suffix(measure, signed=signed)} ({low} to {high})"


def _number(setting: Setting, measure: Measure, value: float | None, *, signed: bool) -> str:
    """Return a value in the unit of its row, `?` for an unknown bound."""
    if value is None:
        return "?"
    sign = "+" if signed else ""
    match measure.unit:
        case Unit.SHARE:
            return f"{value * HUNDRED:{sign}.1f}"
        case Unit.SECONDS:
            return f"over {_duration(setting.scenario.horizon_seconds)}" if math.isinf(value) else _duration(value, sign)
        case Unit.COUNT:
            return f"{value * (setting.scenario.runs_per_day if measure is ASKED else HUNDRED):{sign}.1f}"
        case Unit.TOKENS:
            return f"{value / MILLION:{sign}.2f} M"
        case Unit.DOLLARS:
            return f"{value:{sign}.2f}"


def _duration(seconds: float, sign: str = "") -> str:
    if abs(seconds) >= HOUR:
        return f"{seconds / HOUR:{sign}.1f} h"
    return f"{seconds / MINUTE:{sign}.1f} min" if abs(seconds) >= MINUTE else f"{seconds:{sign}.0f} s"


def _suffix(measure: Measure, *, signed: bool) -> str:
    match measure.unit:
        case Unit.SHARE:
            return " points" if signed else " %"
        case Unit.DOLLARS:
            return " $"
        case _:
            return ""


def _compared(setting: Setting, base: Played, other: Played) -> Iterator[str]:
    """Yield the verdict about two policies, and the differences that it is made of."""
    found = compare(base.results, other.results)
    yield from wrap(f"On the same random numbers, {sentence(base.policy, other.policy, found)}.", WIDTH)
    rows = [_difference(setting, each) for each in found if each.verdict is not Verdict.NONE]
    yield from aligned(rows)
    if same := [each.measure.words for each in found if each.verdict is Verdict.NONE]:
        yield from wrap(f"  no difference shown: {', '.join(same)}", WIDTH, subsequent_indent="    ")


def _difference(setting: Setting, found: Difference) -> list[str]:
    shown = _shown(setting, found.measure, found.figure, signed=True)
    return [f"  {_title(setting, found.measure)}", shown, found.verdict.value]


def _notes() -> Iterator[str]:
    yield ""
    yield from wrap(
        f"Intervals of {LEVEL * HUNDRED:g} %. {'. '.join(f'{kind}: {method}' for kind, method in METHODS.items())}.", WIDTH
    )
    yield from wrap(f"Not simulated: {', '.join(NOT_SIMULATED)}.", WIDTH)


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield rows whose columns start at the same place."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)] if rows else []
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
