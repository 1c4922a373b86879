"""The results of simulations as a JSON document. The command prints it, and tables and plots are made from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from controller.api.base import JsonObject, dump
from controller.simulation.engine import NOT_SIMULATED
from controller.simulation.figures import Difference, Verdict, compare, endings, figures
from controller.simulation.intervals import LEVEL, METHODS, Figure
from controller.simulation.result import RunResult
from controller.simulation.scenario import Scenario

DECIMALS = 9
"""Decimals of a figure: more would be noise, and may differ between machines."""


@dataclass(frozen=True, slots=True)
class Played:
    """A case with its results. `value` is the swept field's; it has no meaning without a sweep."""

    policy: str
    results: list[RunResult]
    value: Any = None


@dataclass(frozen=True, slots=True)
class Setting:
    """What was simulated: the scenario's name and content, the number of Runs, the seed, and the swept field, if any."""

    name: str
    scenario: Scenario
    runs: int
    seed: int
    sweep: str = ""


def document(setting: Setting, played: Sequence[Played]) -> JsonObject:
    """Return the document of a simulation. Without a sweep, each two policies are compared."""
    head: JsonObject = {
        "scenario": {"name": setting.name, **dump(setting.scenario)},
        "runs": setting.runs,
        "seed": setting.seed,
        "interval": {"level": LEVEL, "methods": METHODS},
        "notSimulated": list(NOT_SIMULATED),
    }
    if setting.sweep:
        return {**head, "sweep": {"field": setting.sweep, "points": [_point(each) for each in played]}}
    policies = [{"name": each.policy, **_summary(each.results)} for each in played]
    return {**head, "policies": policies, "comparisons": [_comparison(a, b) for a, b in combinations(played, 2)]}


def _point(played: Played) -> JsonObject:
    return {"policy": played.policy, "value": played.value, **_summary(played.results)}


def _summary(results: Sequence[RunResult]) -> JsonObject:
    ends = [{"phase": phase, "reason": reason, "runs": count} for phase, reason, count in endings(results)]
    return {"figures": {name: _figure(figure) for name, figure in figures(results).items()}, "endings": ends}


def _figure(figure: Figure) -> JsonObject:
    bounds = {"value": figure.value, "low": figure.low, "high": figure.high}
    return {**{name: _rounded(bound) for name, bound in bounds.items()}, "runs": figure.count}


def _rounded(bound: float | None) -> float | None:
    """Return a bound without its last digits; None for one that is unknown, or beyond the horizon."""
    return None if bound is None or math.isinf(bound) else round(bound, DECIMALS)


def _comparison(base: Played, other: Played) -> JsonObject:
    found = compare(base.results, other.results)
    return {
        "base": base.policy,
        "other": other.policy,
        "differences": {each.measure.name: {**_figure(each.figure), "verdict": each.verdict.value} for each in found},
        "verdict": sentence(base.policy, other.policy, found),
    }


def sentence(base: str, other: str, found: Sequence[Difference]) -> str:
    """Return in words in what the other policy is better, and in what worse."""
    parts = [
        f"{verdict.value} in {', '.join(words)}"
        for verdict in (Verdict.BETTER, Verdict.WORSE)
        if (words := [each.measure.words for each in found if each.verdict is verdict])
    ]
    if not parts:
        return f"no difference between {base} and {other} is shown"
    return f"{other} is {'; '.join(parts)} than {base}"
