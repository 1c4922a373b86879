"""Scripted worlds: what happens when is written down instead of drawn."""

from __future__ import annotations

import math
from typing import Any

from controller.api.policy import RunPolicySpec
from controller.api.resolved_policy import ResolvedPolicy
from controller.simulation.account import Event
from controller.simulation.draws import Draws
from controller.simulation.engine import simulate_run
from controller.simulation.result import RunResult
from controller.simulation.scenario import scenario_of

HOUR, DAY = 3600, 86400

RATES: dict[str, dict[str, Any]] = {
    "crash": {"agent": {"crash": {"perHour": 1}}},
    "hang": {"agent": {"hang": {"perHour": 1}}},
    "loop": {"agent": {"loop": {"perHour": 1}}},
    "quiet": {"agent": {"quiet": {"perHour": 1}}},
    "question": {"agent": {"questions": {"perHour": 1}}},
    "drain": {"nodes": {"drainsPerDay": 1}},
    "limit": {"provider": {"limitsPerDay": 1}},
    "outage": {"reporter": {"outagesPerDay": 1}},
}
"""The fields that let something happen at all."""


class Scripted(Draws):
    """Happenings by their key; all other draws are the middle of their distribution."""

    def __init__(self, happenings: dict[tuple[str | int, ...], float], chances: dict[str, bool]) -> None:
        super().__init__(0, 0)
        self._happenings, self._chances = happenings, chances

    def uniform(self, *key: str | int) -> float:
        """Return the middle; a Run is created at the first moment of its hours."""
        return 1e-12 if key == ("arrival",) else 0.5

    def gap(self, _: float, *key: str | int) -> float:
        """Return when something happens, in seconds; never unless the script says when."""
        return self._happenings.get(key, math.inf)

    def chance(self, _: float, *key: str | int) -> bool:
        """Return what the script says, by default that it does not happen."""
        return self._chances.get(str(key[0]), False)


def played(
    scenario: dict[str, Any] | None = None,
    happenings: dict[tuple[str | int, ...], float] | None = None,
    *,
    trace: list[Event] | None = None,
    **script: Any,
) -> RunResult:
    """Return how a Run of one hour's work goes. `happenings` have the key of a draw, such as ("hang", attempt, number).

    A script may contain `chances` by the name of a draw, and fields of the policy.
    """
    chances = {"retry": True, "approve": True, "agrees": True, **script.pop("chances", {})}
    happenings = happenings or {}
    values: dict[str, Any] = {}
    for what in {str(key[0]) for key in happenings}:
        values = merged(values, RATES[what])
    draws = Scripted(happenings, chances)
    policy = ResolvedPolicy.of("default", RunPolicySpec(**script))
    return simulate_run(scenario_of(merged(values, scenario or {})), policy, draws, trace=trace)


def merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Return two nested mappings as one; the second has precedence."""
    both = {key: merged(one[key], value) if isinstance(one.get(key), dict) else value for key, value in other.items()}
    return {**one, **both}
