"""The distributions of a scenario: their quantiles are those that the author has written."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api.base import MAX_SECONDS, parse
from controller.simulation.distributions import Distribution
from controller.simulation.draws import Draws

SECONDS = st.floats(0, 100_000)
PAIRS = st.tuples(SECONDS, SECONDS).map(sorted)
SIMPLE = st.one_of(
    SECONDS,
    PAIRS.map(lambda pair: {"uniform": {"from": pair[0], "to": pair[1]}}),
    SECONDS.map(lambda mean: {"exponential": {"mean": mean}}),
    PAIRS.map(lambda pair: {"lognormal": {"median": pair[0], "p90": pair[1]}}),
    st.builds(lambda scale, shape: {"weibull": {"scale": scale, "shape": shape}}, SECONDS, st.floats(0.05, 100)),
    st.lists(SECONDS, min_size=1, max_size=9).map(lambda values: {"empirical": values}),
)
NUMBERS = st.floats(0, 1)


def sampled(written: Any, u: float) -> float:
    """Return the value at `u` of a distribution in the file's form."""
    return parse(Distribution, written).sample(u)


@given(written=SIMPLE, numbers=st.tuples(NUMBERS, NUMBERS).map(sorted))
def test_values_rise_with_the_number_and_are_whole_milliseconds(written: Any, numbers: list[float]) -> None:
    """Each value is a time within a year, and a greater number gives no smaller one."""
    low, high = (sampled(written, u) for u in numbers)
    assert 0 <= low <= high <= MAX_SECONDS
    assert low == round(low, 3)


@pytest.mark.parametrize(
    ("written", "quantiles"),
    [
        (30, {0.1: 30, 0.9: 30}),
        ({"constant": 30}, {0.5: 30}),
        ({"uniform": {"from": 10, "to": 20}}, {0.5: 15, 0.9: 19}),
        ({"exponential": {"mean": 100}}, {0.5: 69.315, 0.9: 230.259}),
        ({"lognormal": {"median": 600, "p90": 3600}}, {0.5: 600, 0.9: 3600}),
        ({"lognormal": {"median": 0, "p90": 0}}, {0.9: 0}),
        ({"weibull": {"scale": 100, "shape": 2}}, {0.632120559: 100}),
        ({"empirical": [30, 10, 20]}, {0.5: 20, 0.75: 25}),
        ({"mixture": [{"weight": 3, "of": 5}, {"weight": 1, "of": {"uniform": {"from": 10, "to": 20}}}]}, {0.7: 5, 0.875: 15}),
    ],
)
def test_quantiles_are_the_written_ones(written: Any, quantiles: dict[float, float]) -> None:
    """The median, the ninetieth percentile and other parameters mean what they say."""
    assert {u: sampled(written, u) for u in quantiles} == pytest.approx(quantiles, abs=0.002)


def test_a_mixture_has_its_parts_in_proportion() -> None:
    """A quarter of the values is of a part with a quarter of the weight."""
    mixture = parse(Distribution, {"mixture": [{"weight": 1, "of": 5}, {"weight": 3, "of": {"exponential": {"mean": 9}}}]})
    values = [mixture.sample(Draws(1, run).uniform("quiet")) for run in range(10_000)]
    assert values.count(5) / len(values) == pytest.approx(0.25, abs=0.02)
