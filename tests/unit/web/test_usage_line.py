"""Tokens over time: which samples are kept, and the line that they make."""

from __future__ import annotations

import re
from datetime import timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from controller.cli.rw.reason_text import sentence
from controller.cli.web.pages.run_page import run_page
from controller.cli.web.pages.usage_line import (
    FEWEST,
    HEIGHT,
    MOST_RUNS,
    MOST_SAMPLES,
    WIDTH,
    Sample,
    UsageSamples,
    thinned,
    usage_line,
)
from tests.unit.rw.stories import NOW, story
from tests.unit.web.rendering import read, render

KEY = ("a", "r", "u")
STEPS = st.lists(st.tuples(st.integers(0, 9_000), st.integers(-500, 5_000)), min_size=1, max_size=3 * MOST_SAMPLES)
"""Seconds and tokens from one sample to the next."""


def series(*steps: tuple[int, int]) -> list[Sample]:
    """Return samples with these steps, the last one at NOW."""
    found = [Sample(NOW, 10_000)]
    for seconds, tokens in steps:
        found.append(Sample(found[-1].at + timedelta(seconds=seconds), found[-1].tokens + tokens))
    late = found[-1].at - NOW
    return [Sample(sample.at - late, sample.tokens) for sample in found]


@given(STEPS, st.integers(FEWEST, MOST_SAMPLES))
def test_thinning_keeps_the_first_and_the_last(steps: list[tuple[int, int]], most: int) -> None:
    """The bound holds, nothing is invented, and the order stays."""
    samples = series(*steps)
    kept = thinned(samples, most)
    assert (kept[0], kept[-1], len(kept)) == (samples[0], samples[-1], min(len(samples), most))
    rest = iter(samples)
    assert all(sample in rest for sample in kept)


@given(STEPS)
def test_only_rises_are_kept(steps: list[tuple[int, int]]) -> None:
    """Times and tokens of the kept samples rise, whatever comes; the line stays within its box and never falls."""
    samples = UsageSamples()
    kept = [samples.add(KEY, sample) for sample in series(*steps)][-1]
    assert len(kept) <= MOST_SAMPLES
    assert all(a.at < b.at and a.tokens < b.tokens for a, b in pairwise(kept))
    line = usage_line(kept, NOW)
    assert (line is None) == (len(kept) < FEWEST)
    points = [(int(x), int(y)) for x, y in re.findall(r"(\d+),(\d+)", line.points)] if line else []
    assert all(a[0] <= b[0] and a[1] >= b[1] for a, b in pairwise(points))
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points)


def test_even_samples_stay_even() -> None:
    """The line is as fine at its begin as at its end."""
    kept = thinned(series(*[(30, 1)] * (4 * MOST_SAMPLES)))
    gaps = [(b.at - a.at).total_seconds() for a, b in pairwise(kept)]
    assert max(gaps) <= 4 * min(gaps)


def test_runs_that_nobody_looks_at_are_forgotten() -> None:
    """The memory does not grow with the number of Runs."""
    samples = UsageSamples()
    for number in range(MOST_RUNS):
        samples.add(("a", str(number), "u"), Sample(NOW, 1))
    samples.add(("a", "0", "u"), Sample(NOW + timedelta(seconds=1), 2))
    samples.add(("a", "new", "u"), Sample(NOW, 1))
    assert len(samples._runs) == MOST_RUNS
    assert len(samples.add(("a", "0", "u"), Sample(NOW, 2))) == 2, "it was shown a moment ago"
    assert len(samples.add(("a", "1", "u"), Sample(NOW + timedelta(hours=1), 2))) == 1, "it was forgotten"


def test_words_are_about_the_last_hour() -> None:
    """Before an hour has passed, they say what it would be in an hour. A time without use counts."""
    assert usage_line([Sample(NOW, 5)], NOW) is None
    short = usage_line(series((600, 3_000)), NOW + timedelta(minutes=2))
    assert short
    assert short.words == "3,000 tokens in 12m: 15,000 an hour"
    assert short.points == "0,96 833,96 833,4 1000,4"
    whole = usage_line(series((3_600, 900), (1_200, 100), (600, 50)), NOW)
    assert whole
    assert whole.words == "1,050 tokens in the last hour"
    idle = usage_line(series((600, 3_000)), NOW + timedelta(hours=3))
    assert idle
    assert idle.words == "0 tokens in the last hour"


def test_the_page_says_since_when() -> None:
    """A Run's page has the line with a text that says the same, and none for one sample."""
    told = story("asking")
    samples = series((600, 3_000))
    page = run_page(told.run, told.around, sentence, (), NOW, samples)
    html = render("run_live.html", page)
    assert 'aria-label="Tokens over time: 3,000 tokens in 10m: 18,000 an hour"' in html
    begin = samples[0].at.strftime("%Y-%m-%d %H:%M:%S UTC")
    assert f"The line begins at {begin} , when this page began to watch." in read(html).text
    assert "polyline" not in render("run_live.html", run_page(told.run, told.around, sentence, (), NOW, samples[:1]))
