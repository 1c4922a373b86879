"""Figures, verdicts, tables, a picture and a page are computed from the measured turns."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from tests.bench import page
from tests.bench.audit import Tally
from tests.bench.figures import METRICS, Spread, ratio, spread
from tests.bench.measured import Latency, Load, Series, Spent, Turn, latency
from tests.bench.profile import counted, hottest
from tests.bench.table import report
from tests.bench.targets import verdicts

COUNT = 100
NOTHING = Tally({}, 0, 0, 0)
ALONE = Latency(COUNT, 0.1, 0.9)
SVG = "{http://www.w3.org/2000/svg}"


def turn(name: str, wall: float = 10.0, cpu: float = 1.0, writes: int = 4 * COUNT, load: Load | None = None) -> Turn:
    return Turn(
        contestant=name,
        load=load or Load(COUNT),
        objects=COUNT + 10,
        wall=wall,
        spent=Spent(cpu, 2.0, 0.5, 1.0),
        peak=50 * 2**20,
        written=Tally({"create pods": writes}, COUNT, 0, 0),
        idle=NOTHING,
        idle_cpu=0.01,
        tidying=Tally({"patch pods": COUNT + 10}, 0, 0, 0),
        starts=ALONE,
        endings=ALONE,
        successions=latency([]),
    )


def a_round(**walls: float) -> dict[str, Turn]:
    return {name.replace("_", "-"): turn(name.replace("_", "-"), wall) for name, wall in walls.items()}


def test_a_median_with_its_range() -> None:
    """The median covers the rounds in which a contestant was measured; without any such round it is absent."""
    rounds = [a_round(job=10.0), a_round(job=30.0), a_round(floor=1.0), a_round(job=20.0)]
    assert spread(rounds, "job", "wall") == Spread(20.0, 10.0, 30.0)
    assert spread(rounds, "naive", "wall") is None


def test_a_ratio_is_taken_within_a_round() -> None:
    """A round in which everything took twice as long changes no ratio; a round in which the other contestant failed is left out."""
    rounds = [a_round(job=10.0, floor=5.0), a_round(job=20.0, floor=10.0), a_round(floor=1.0)]
    assert ratio(rounds, "floor", "job", "wall") == Spread(0.5, 0.5, 0.5)
    assert ratio(rounds, "floor", "naive", "wall") is None


def test_what_never_happened_has_no_figure() -> None:
    """Without a pod that died, the time to a successor is absent."""
    assert latency([]) == Latency(0, None, None)
    assert spread([a_round(job=1.0)], "job", "succession_p99") is None


def test_latencies() -> None:
    """The median is in the first bound, and the 99th percentile in the second."""
    assert latency([float(number) for number in range(100)]) == Latency(100, 50.0, 99.0)


def test_verdicts() -> None:
    """Writes are judged by the worst round and times by the median; an unmeasured value is neither met nor missed."""
    rounds = [a_round(job=10.0, runwatchman_status=wall) for wall in (8.0, 8.0, 20.0)]
    rounds[1]["runwatchman-status"] = turn("runwatchman-status", 8.0, writes=5 * COUNT)
    met = {verdict.claim: verdict.met for verdict in verdicts(rounds)}
    assert met["writes per healthy Run, applied to Completed"] is False
    assert met["wall, of the Job controller's"] is True
    assert met["CPU per Run, of the naive operator's"] is None
    assert [verdict.met for verdict in verdicts(rounds, failing=True)] == [False, True]


def test_tables_tell_what_failed() -> None:
    """A failed turn is in the report with its reason, next to the figures of the others."""
    series = Series(COUNT, False, [a_round(job=10.0, floor=5.0)], ["round 1: naive: ControllerEnded: it ended"])
    text = report([series])
    assert "round 1: naive: ControllerEnded: it ended" in text
    assert "| floor | 5.0 |" in text
    assert "| floor | 0.50 | 1.00 |" in text
    assert "| floor | create pods 4.00 |" in text


def test_the_picture_says_what_the_figures_are() -> None:
    """The picture's labels are text, it has curves only if there are several counts, and it names every controller."""
    from tests.bench.plot import draw  # matplotlib takes a second, which each worker's collection of tests does not need

    one = Series(COUNT, False, [a_round(job=10.25, naive=20.5)])
    assert {"job", "naive", "10.2", "20.5", METRICS["writes"].title} <= _words(draw([one]))
    more = Series(10 * COUNT, False, [{"job": turn("job", 101.0, load=Load(10 * COUNT))}])
    assert {"101.0", f"{METRICS['wall_each'].title}, by how many at once"} <= _words(draw([one, more]))
    assert f"{METRICS['wall_each'].title}, by how many at once" not in _words(draw([one]))


def test_a_page_is_filled_between_its_marks() -> None:
    """The text around the marks stays, a second run changes nothing, and a page without marks is an error."""
    parts = {page.START: "figures", page.LATENCY: "times"}
    text = page.filled(f"before\n{page.START}old{page.END}\nbetween\n{page.LATENCY}older{page.END}\nafter\n", parts)
    whole = [page.START, "figures", page.END, "between", page.LATENCY, "times", page.END]
    assert [line for line in text.splitlines() if line] == ["before", *whole, "after"]
    assert page.filled(text, parts) == text
    with pytest.raises(ValueError, match="has no"):
        page.filled("before", parts)


def test_a_profile_counts_each_function() -> None:
    """Each function has its own time and its time with callees; a recursive call is counted once."""
    stacks = ["main (a.py:1);plan (b.py:2);plan (b.py:9) 3", "main (a.py:1) 1"]
    own, whole = counted(stacks)
    assert (own["plan (b.py"], whole["plan (b.py"], whole["main (a.py"]) == (3, 3, 4)
    assert hottest(stacks, 1)[2].startswith("| main (a.py | 25.0 | 100.0 |")


def _words(svg: str) -> set[str]:
    return {(text.text or "").strip() for text in ET.fromstring(svg).iter(f"{SVG}text")}  # noqa: S314  # our own
