"""Scenario files: what they mean, and the words with which a wrong one is refused."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api.base import dump
from controller.simulation.scenario import Scenario, ScenarioRefused, read_scenario, scenario_of


def refused(text: str) -> list[str]:
    """Return the violations of a file."""
    with pytest.raises(ScenarioRefused) as caught:
        read_scenario(text.encode())
    return [str(violation) for violation in caught.value.violations]


def test_in_an_empty_scenario_nothing_goes_wrong() -> None:
    """Agents work for an hour, and no event of any kind happens."""
    calm = read_scenario(b"")
    assert calm.agent.work_seconds.sample(0.5) == 3600
    assert {calm.agent.crash.per_hour, calm.agent.hang.per_hour, calm.nodes.drains_per_day, calm.provider.limits_per_day} == {0}


def test_a_scenario_survives_its_file() -> None:
    """A scenario that is written, for example one fitted to a ledger, is read as it was."""
    scenario = scenario_of(
        {
            "agent": {"workSeconds": {"lognormal": {"median": 5400, "p90": 14400}}, "hang": {"perHour": 0.02}},
            "people": {"hours": {"from": "09:00", "to": "18:00", "days": ["Mon", "Fri"]}},
            "provider": {"limitsPerDay": 1, "lastsSeconds": {"mixture": [{"weight": 1, "of": {"empirical": [1, 2, 3]}}]}},
        }
    )
    assert scenario_of(dump(scenario)) == scenario


def test_fields_may_be_written_in_snake_case() -> None:
    """As in a policy file."""
    assert read_scenario(b"agent: {work_seconds: 60}") == read_scenario(b"agent: {workSeconds: 60}")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("agent: {crash: {perhour: 1}}", "agent.crash.perhour: unknown field: did you mean perHour? (found 1)"),
        ("agent: {work_second: 1}", "agent.work_second: unknown field: did you mean workSeconds? (found 1)"),
        ("agent: {keepsWork: 80%}", "agent.keepsWork: must be a share from 0 to 1, for example 0.8 for 80 % (found '80%')"),
        ("people: {approve: 95}", "people.approve: must be a share from 0 to 1, for example 0.8 for 80 % (found 95)"),
        ("agent: {workSeconds: -5}", "agent.workSeconds: must be a number of seconds from 0 to 31536000 (found -5)"),
        ("nodes: {start_seconds: .nan}", "nodes.start_seconds: is no duration: write a number of seconds, or a distribution such "
         "as {lognormal: {median: 600, p90: 3600}} (found '.nan')"),
        ("nodes: {drainsPerDay: -1}", "nodes.drainsPerDay: must be a number from 0 to 3600 (found -1)"),
        ("arrivals: {from: 9:00}", "arrivals.from: must be a time of day in quotes, from \"00:00\" to \"24:00\" (found '9:00')"),
        ("arrivals: {days: [Mon, Mon]}", "arrivals.days: has a day twice: keep one"),
        ("agent: {quiet: {lastsSeconds: {lognormal: {median: 50, p90: 3}}}}",
         "agent.quiet.lastsSeconds.lognormal.p90: must not be less than median (found 3)"),
        ("nodes: {startSeconds: {uniform: {from: 5, to: 1}}}",
         "nodes.startSeconds.uniform.to: must not be less than from (found 1)"),
        ("nodes: {startSeconds: {constant: 1, exponential: {mean: 4}}}", "nodes.startSeconds: has 2 distributions, and needs "
         "exactly one: write a number of seconds, or a distribution such as {lognormal: {median: 600, p90: 3600}}"),
        ("agent: {loop: {lastsSeconds: {mixture: [{weight: 0, of: 3}]}}}",
         "agent.loop.lastsSeconds.mixture: has no part with a weight above 0"),
        ("agent: {crash: {ends: [{weight: 0}]}}", "agent.crash.ends: has no end with a weight above 0"),
        ("agent: {crash: {ends: [{exitCode: 0}]}}", "agent.crash.ends[0].exitCode: must be a whole number from 1 to 255 (found 0)"),
        ("- 1", "file: must be an object such as {agent: {workSeconds: 3600}}"),
        ("horizonSeconds: 1\nhorizonSeconds: 2", "horizonSeconds: is set twice (line 2): keep one"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_place_value_and_remedy(text: str, words: str) -> None:
    """Each refused file has one violation, in these words."""
    assert refused(text) == [words]


TREES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["agent", "people", "workSeconds", "hang", "lastsSeconds", "mixture", "empirical", "hours", "days", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(tree=TREES)
def test_any_values_are_a_scenario_or_are_refused(tree: object) -> None:
    """No content of a file leads to another error than a refusal."""
    with contextlib.suppress(ScenarioRefused):
        assert isinstance(scenario_of(tree), Scenario)
