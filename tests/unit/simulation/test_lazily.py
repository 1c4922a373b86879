"""Properties of every simulated Run. The most important: reports that are not planned for would have changed nothing."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from controller.api.resolved_policy import ResolvedPolicy
from controller.simulation.account import Event
from controller.simulation.draws import Draws
from controller.simulation.engine import simulate_run
from controller.simulation.scenario import Scenario
from tests.unit.simulation.worlds import policies, scenarios

FEW = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow], phases=[Phase.explicit, Phase.generate]
)
"""A failing example is not made smaller: that takes minutes."""
RUNS = st.integers(0, 10**6)


@FEW
@given(scenarios(), policies(), RUNS)
def test_planning_for_each_report_gives_the_same_run(scenario: Scenario, policy: ResolvedPolicy, run: int) -> None:
    """The events are the same too, to the millisecond; only the number of plans differs."""
    eager: list[Event] = []
    lazy: list[Event] = []
    one = simulate_run(scenario, policy, Draws(1, run), trace=eager, lazy=False)
    other = simulate_run(scenario, policy, Draws(1, run), trace=lazy)
    assert lazy == eager
    assert replace(one, plans=0) == replace(other, plans=0)


@FEW
@given(scenarios(), policies(), RUNS)
def test_a_run_keeps_the_rules_of_its_world(scenario: Scenario, policy: ResolvedPolicy, run: int) -> None:
    """Time never goes back, no two attempts run at once, and charges stay within the budget."""
    trace: list[Event] = []
    result = simulate_run(scenario, policy, Draws(1, run), trace=trace)
    assert all(one <= other for (one, _), (other, _) in pairwise(trace))
    assert lives(trace) <= 1
    assert result.charged <= policy.spec.restart_budget
    assert result.finished_seconds is None or result.finished_seconds <= scenario.horizon_seconds
    assert 0 <= result.tokens_wasted <= result.tokens_used
    assert 0 <= result.blocked_seconds <= result.waiting_seconds <= scenario.horizon_seconds


def lives(trace: list[Event]) -> int:
    """Return how many agents have run at once, at most."""
    running: set[str] = set()
    most = 0
    for _, text in trace:
        word, _, attempt = text.partition(" ")
        if word == "started":
            running.add(attempt)
        elif word == "ended":
            running.discard(attempt.partition(":")[0])
        most = max(most, len(running))
    return most


@FEW
@given(scenarios(), policies(), RUNS)
def test_the_same_seed_gives_the_same_run(scenario: Scenario, policy: ResolvedPolicy, run: int) -> None:
    """Nothing is left over from one Run to the next."""
    assert simulate_run(scenario, policy, Draws(1, run)) == simulate_run(scenario, policy, Draws(1, run))
