"""The random numbers of a simulation: the same at the same place, whatever else was drawn, and evenly spread."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.simulation.draws import Draws, pick

KEYS = st.lists(st.one_of(st.text(max_size=8), st.integers(-9, 9)), max_size=4)


def test_the_numbers_are_those_of_every_machine() -> None:
    """A change of these numbers changes every published result: it must be announced."""
    assert [Draws(7, run).uniform("crash", 0) for run in range(2)] == [0.5436812056032317, 0.7810294460442334]


@given(seed=st.integers(0, 2**63), run=st.integers(0, 10**6), key=KEYS, other=KEYS)
def test_a_number_depends_on_its_place_only(seed: int, run: int, key: list[str | int], other: list[str | int]) -> None:
    """What was drawn before changes nothing, and another place has another number."""
    fresh, used = Draws(seed, run), Draws(seed, run)
    used.uniform(*other)
    assert fresh.uniform(*key) == used.uniform(*key)
    assert 0 < fresh.uniform(*key) < 1
    assert (fresh.uniform(*key) == fresh.uniform(*other)) == (key == other)


def test_the_numbers_are_evenly_spread_and_independent_of_their_neighbours() -> None:
    """Over 20,000 Runs, mean and variance are those of a uniform distribution, and neighbours are not correlated."""
    numbers = [Draws(1, run).uniform("work") for run in range(20_000)]
    mean = math.fsum(numbers) / len(numbers)
    spread = [number - mean for number in numbers]
    variance = math.fsum(each * each for each in spread) / len(numbers)
    covariance = math.fsum(a * b for a, b in pairwise(spread)) / len(numbers)
    assert mean == pytest.approx(0.5, abs=0.01)
    assert variance == pytest.approx(1 / 12, abs=0.003)
    assert covariance == pytest.approx(0, abs=0.003)


def test_gaps_between_events_have_the_rate() -> None:
    """Events that come twice an hour are half an hour apart on average; those that never come are never due."""
    gaps = [Draws(1, run).gap(2, "crash") for run in range(20_000)]
    assert math.fsum(gaps) / len(gaps) == pytest.approx(1800, rel=0.03)
    assert Draws(1, 1).gap(0, "crash") == math.inf


@given(
    weights=st.lists(st.floats(0, 10), min_size=1, max_size=6).filter(any), u=st.floats(0, 1, exclude_min=True, exclude_max=True)
)
def test_a_pick_has_a_weight_and_says_where_it_is(weights: list[float], u: float) -> None:
    """A choice without weight is never picked, and the rest of the number is within 0 and 1."""
    chosen, within = pick(((weight, index) for index, weight in enumerate(weights)), u)
    assert weights[chosen] > 0
    assert 0 <= within <= 1
