"""The simulation decides nothing itself: a change of a shipped decision changes its results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from controller.plan.attempts import budget, restarts, stall_detection
from controller.plan.escalations import answers
from controller.plan.intents import Charge
from controller.reporter import report_schedule
from controller.simulation.result import RunResult
from tests.unit.simulation.scripts import played


def crashing() -> RunResult:
    """Return a Run whose agent always crashes."""
    return played({"agent": {"doomed": {"share": 1, "afterSeconds": 60}}}, chances={"doomed": True})


def hanging() -> RunResult:
    """Return a Run whose agent hangs."""
    return played({}, {("hang", 0, 0): 600})


def asking() -> RunResult:
    """Return a Run whose agent asks."""
    return played({}, {("question", 0, 0): 600})


def _free(at: Any, agent: Any, reason: Any, _: Charge) -> Any:
    return _reserve(at, agent, reason, Charge.FREE)


_reserve = restarts.reserve

MUTANTS = [
    pytest.param(crashing, (budget, "cooldown", lambda *_: 0), id="no cooldown"),
    pytest.param(crashing, (restarts, "budget_left", lambda *_: 1), id="an endless budget"),
    pytest.param(crashing, (restarts, "reserve", _free), id="every restart is free"),
    pytest.param(hanging, (stall_detection, "idle", lambda *_: False), id="no agent is idle"),
    pytest.param(hanging, (stall_detection, "confirmed_at", lambda _, since, seconds=0: since), id="a stall needs no time"),
    pytest.param(asking, (answers, "deliveries", lambda _: ()), id="no answer is delivered"),
    pytest.param(hanging, (report_schedule, "JITTER", 0.9), id="another schedule of reports"),
]


@pytest.mark.parametrize(("play", "mutant"), MUTANTS)
def test_a_mutant_of_the_operator_plays_otherwise(
    play: Callable[[], RunResult], mutant: tuple[Any, str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each result is another one than that of the shipped operator."""
    shipped = play()
    module, name, value = mutant
    for importer in importers(module, name):
        monkeypatch.setattr(importer, name, value)
    assert play() != shipped


def importers(module: Any, name: str) -> list[Any]:
    """Return the modules that have bound a module's name."""
    import sys

    original = getattr(module, name)
    return [found for key, found in sys.modules.items() if key.startswith("controller.") and vars(found).get(name) is original]
