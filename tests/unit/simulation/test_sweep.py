"""Sweeps: a field of a policy or of a scenario by its path, and the words with which a wrong one is refused."""

from __future__ import annotations

import pytest

from controller.api.policy import RunPolicySpec
from controller.api.resolved_policy import ResolvedPolicy
from controller.simulation.pool import Case
from controller.simulation.scenario import scenario_of
from controller.simulation.sweep import SweepRefused, parse_sweep

BASE = Case(scenario_of({"agent": {"hang": {"perHour": 0.5}}}), ResolvedPolicy.of("mine", RunPolicySpec(restart_budget=7)))


@pytest.mark.parametrize("field", ["health.activityStalledSeconds", "health.activity_stalled_seconds"])
def test_a_policys_field_takes_each_value(field: str) -> None:
    """In either spelling. All else is as in the policy's file."""
    cases = parse_sweep(f"{field}=300,900").cases(BASE)
    assert [case.policy.spec.health.activity_stalled_seconds for case in cases] == [300, 900]
    assert {(case.policy.spec.restart_budget, case.policy.name) for case in cases} == {(7, "mine")}
    assert {case.scenario for case in cases} == {BASE.scenario}


def test_a_scenarios_field_takes_each_value() -> None:
    """How much depends on an assumed figure. A value may be a whole distribution."""
    cases = parse_sweep("agent.hang.lastsSeconds=60,{uniform: {from: 60, to: 120}}").cases(BASE)
    assert [case.scenario.agent.hang.lasts_seconds.sample(0.5) for case in cases if case.scenario.agent.hang.lasts_seconds] == [
        60,
        90,
    ]
    assert {case.scenario.agent.hang.per_hour for case in cases} == {0.5}
    assert parse_sweep("reporter.outagesPerDay=1,2").of_scenario
    assert not parse_sweep("reporter=Full,Off").of_scenario


def test_words_are_words() -> None:
    """`Off` is a value of some fields, which YAML would read as a boolean."""
    cases = parse_sweep("reporter=Full,Off").cases(BASE)
    assert [case.policy.spec.reporter.value for case in cases] == ["Full", "Off"]
    assert [case.policy.spec.dry_run for case in parse_sweep("dryRun=false,true").cases(BASE)] == [False, True]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("health.activityStaledSeconds=1,2",
         "health.activityStaledSeconds: unknown field: did you mean activityStalledSeconds? (found 1)"),
        ("restartBudgt=1,2", "restartBudgt: unknown field: did you mean restartBudget?"),
        ("speed=1,2", "speed: unknown field: name one of a policy, or of a scenario: advisor, agent, "),
        ("restartBudget=1", "restartBudget: has 1 values: write 2 to 50, for example health.activityStalledSeconds=600,1800,3600"),
        ("restartBudget", "restartBudget: is no sweep: write a field and its values, for example "
         "health.activityStalledSeconds=600,1800,3600"),
        ("restartBudget=1,-2", "restartBudget: must be a whole number from 0 to 1000 (found -2)"),
        ("health.activityStalledSeconds=10m,20m",
         "health.activityStalledSeconds: must be a whole number from 0 to 31536000 (found '10m')"),
        ("agent.keepsWork=50%,0.6", "agent.keepsWork: must be a share from 0 to 1, for example 0.8 for 80 % (found '50%')"),
        ("restartBudget.x=1,2", "restartBudget: must be a whole number from 0 to 1000"),
    ],
)  # fmt: skip
def test_a_wrong_sweep_is_refused_in_words(text: str, words: str) -> None:
    """The field is named as it was written, with the value and the remedy."""
    with pytest.raises(SweepRefused) as caught:
        parse_sweep(text).cases(BASE)
    (violation,) = caught.value.violations
    assert str(violation).startswith(words)
