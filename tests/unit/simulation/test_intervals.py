"""Intervals of figures: textbook values, and that they contain the truth as often as they say."""

from __future__ import annotations

import math

import pytest

from controller.simulation.draws import Draws
from controller.simulation.intervals import Figure, difference, mean, quantile, rate, share, student


def bounds(figure: Figure) -> list[float]:
    """Return a figure's value and bounds, all of which it must have."""
    return [bound for bound in (figure.value, figure.low, figure.high) if bound is not None]


@pytest.mark.parametrize(
    ("hits", "count", "low", "high"),
    [(0, 10, 0, 0.2775), (8, 10, 0.4902, 0.9433), (500, 1000, 0.4691, 0.5309), (10, 10, 0.7225, 1)],
)
def test_shares_have_wilsons_interval(hits: int, count: int, low: float, high: float) -> None:
    """The values are those of textbooks, and the bounds are within 0 and 1 also at the ends."""
    figure = share(hits, count)
    assert bounds(figure) == pytest.approx([hits / count, low, high], abs=1e-4)


@pytest.mark.parametrize(("freedom", "t"), [(1, 12.7062), (2, 4.3027), (5, 2.5706), (10, 2.2281), (30, 2.0423), (999, 1.9623)])
def test_students_quantile_is_that_of_the_tables(freedom: int, t: float) -> None:
    """Cornish and Fisher's expansion is near enough from three degrees of freedom on."""
    assert student(freedom) == pytest.approx(t, rel=2e-3)


def test_means_have_students_interval() -> None:
    """The mean of 1 to 5 is 3, with a standard error of the square root of a half."""
    figure = mean([1, 2, 3, 4, 5])
    assert bounds(figure) == pytest.approx([3, 3 - 1.9632, 3 + 1.9632], abs=0.01)


def test_no_event_in_many_runs_is_not_none_at_all() -> None:
    """None of 100 Runs had a false stop: the mean may be up to 0.037."""
    assert rate([0] * 100).high == pytest.approx(0.0369, abs=1e-4)


def test_few_runs_have_open_bounds() -> None:
    """One Run has no interval, and the ninetieth percentile of ten has no upper bound."""
    assert (difference([3]).low, difference([]).value, share(0, 0).value, quantile([], 0.5).value) == (None, None, None, None)
    assert quantile(range(10), 0.9).high is None


def test_a_quantile_beyond_the_horizon_is_endless() -> None:
    """If a fifth of the Runs is never complete, no time has nine of ten."""
    assert quantile([*range(80), *[math.inf] * 20], 0.9).value == math.inf


def test_intervals_contain_the_truth_in_nineteen_of_twenty_cases() -> None:
    """For each kind, of 400 samples of 60 numbers; within what chance allows."""
    samples = [[Draws(5, case).uniform(index) for index in range(60)] for case in range(400)]
    kinds = {
        "mean": ([mean(sample) for sample in samples], 0.5),
        "share": ([share(sum(number < 0.3 for number in sample), 60) for sample in samples], 0.3),
        "median": ([quantile(sample, 0.5) for sample in samples], 0.5),
        "p90": ([quantile(sample, 0.9) for sample in samples], 0.9),
    }
    for kind, (found, truth) in kinds.items():
        hits = sum((figure.low or 0) <= truth <= (1 if figure.high is None else figure.high) for figure in found)
        assert 0.92 <= hits / len(found) <= 0.99, kind
