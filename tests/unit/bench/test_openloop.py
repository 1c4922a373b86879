"""The open loop: arrivals, the search for the rate, the moments of a start, quantiles by window, and the tables and the page."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from controller.api.base import JsonObject
from controller.observability.metrics import Metrics
from tests.bench import page
from tests.bench.measured import Result
from tests.bench.openloop.arrivals import arrivals, evenly
from tests.bench.openloop.campaign import half_of
from tests.bench.openloop.figures import Round, verdicts
from tests.bench.openloop.kinds import KINDS
from tests.bench.openloop.operator_times import means, totals
from tests.bench.openloop.ramp import highest, keeps_up, next_rate
from tests.bench.openloop.results import Mean, OpenLoop, OpenTurn, Quantiles, quantiles, windows
from tests.bench.openloop.sightings import CONTROLLER, LATE, STEPS, TOTAL, Sightings
from tests.bench.openloop.tables import NOTHING_YET, report

RATE, SECONDS = 20.0, 500.0


def test_arrivals_are_a_poisson_process() -> None:
    """The number of arrivals is near the rate, and the gaps vary as those of a Poisson process: their deviation is their mean."""
    times = arrivals(RATE, SECONDS, "1-0")
    assert len(times) == pytest.approx(RATE * SECONDS, rel=0.05)
    assert times == sorted(times)
    assert times[-1] < SECONDS
    gaps = [after - before for before, after in pairwise(times)]
    mean = sum(gaps) / len(gaps)
    assert (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5 == pytest.approx(1 / RATE, rel=0.05)


def test_a_seed_gives_the_same_arrivals() -> None:
    """Every kind of a round arrives at the same times, and another round has other times."""
    assert arrivals(RATE, 1.0, "1-0") == arrivals(RATE, 1.0, "1-0")
    assert arrivals(RATE, 1.0, "1-0") != arrivals(RATE, 1.0, "1-1")
    assert evenly(2.0, 3) == [0.0, 0.5, 1.0]


def test_quantiles_are_at_their_ranks() -> None:
    """Each percentile is a measured time, and without times there are none."""
    assert quantiles([number / 100 for number in reversed(range(100))]) == Quantiles(100, 0.5, 0.9, 0.99)
    assert quantiles([0.3]) == Quantiles(1, 0.3, 0.3, 0.3)
    assert quantiles([]) == Quantiles(0, None, None, None)


def test_windows_group_by_the_time_of_arrival() -> None:
    """A window without arrivals is there, and an arrival at the very end belongs to the last window."""
    found = windows([(0.0, 1.0), (9.9, 3.0), (25.0, 5.0), (30.0, 7.0)], 10.0, 30.0)
    assert [each.number for each in found] == [2, 0, 2]
    assert (found[0].p50, found[1].p50, found[2].p99) == (3.0, None, 7.0)


@pytest.mark.parametrize(
    ("medians", "expected"),
    [
        ([1.0, 9.0, 2.0], True),
        ([1.0, 1.5, 2.1], False),
        ([0.02, 0.1, 0.22], True),
        ([0.02, 0.1, 0.23], False),
        ([None, 0.1, None], True),
        ([None, None], False),
    ],
    ids=["as fast as before", "a queue grows", "hardly", "more than hardly", "one window alone", "nothing has started"],
)
def test_a_queue_that_grows_falls_behind(medians: list[float | None], expected: bool) -> None:
    """Only the first and the last window count: a slow moment in between is no queue, and a fifth of a second in ten is noise."""
    assert keeps_up([Quantiles(1, median, median, median) for median in medians], 5.0) is expected


@pytest.mark.parametrize(
    ("saturation", "tried", "expected"),
    [
        (31.0, [8.0, 16.0, 32.0, 22.6, 26.9], 26.9),
        (3.0, [8.0, 4.0, 2.0, 2.8, 3.3], 2.8),
        (0.05, [8.0, 4.0, 2.0, 1.0, 0.5, 0.2, 0.1], None),
    ],
    ids=["above the first", "below the first", "none"],
)
def test_the_search_doubles_and_then_narrows(saturation: float, tried: list[float], expected: float | None) -> None:
    """The search ends with a rate that kept up and one at most a quarter above it that did not, or with none."""
    found: dict[float, bool] = {}
    while rate := next_rate(found, 8.0):
        found[rate] = rate <= saturation
    assert [*found] == tried
    assert highest(found) == expected


def test_every_kind_is_measured_at_the_same_rate() -> None:
    """The rate of the turns is half of what the slowest kind keeps up with."""
    assert half_of({"pod": 60.0, "job": 40.0, "run": 30.0}.values()) == 15.0


def pod(name: str, owner: str = "", *, gated: bool = False, node: str = "", phase: str = "Pending", state: str = "") -> JsonObject:
    owners = [{"name": owner, "controller": True}] if owner else []
    spec = {"schedulingGates": [{"name": "g"}] if gated else [], "nodeName": node}
    status = {"phase": phase, "containerStatuses": [{"state": {state: {}}}] if state else []}
    return {"metadata": {"name": name, "ownerReferences": owners}, "spec": spec, "status": status}


def test_the_moments_of_a_run() -> None:
    """Each step of a start is the time between the first events that show its ends; repeated events change nothing."""
    seen = Sightings()
    seen.expect(100.0, {"run-1": 101.0})
    for moment, at in (("sent", 101.5), ("acknowledged", 102.0)):
        seen.mark("run-1", moment, at)
    events = [
        (103.0, pod("run-1-coder-r0", "run-1", gated=True)),
        (105.0, pod("run-1-coder-r0", "run-1")),
        (106.0, pod("run-1-coder-r0", "run-1", node="n")),
        (109.0, pod("run-1-coder-r0", "run-1", node="n", phase="Running", state="running")),
        (110.0, pod("run-1-coder-r0", "run-1", node="n", phase="Running", state="running")),
        (111.0, pod("run-1-coder-r0", "run-1", node="n", phase="Succeeded", state="terminated")),
    ]
    assert not seen.all_have("started")
    for at, each in events:
        seen.see_pod(at, "MODIFIED", each)
    assert {step: seen.took(ends)[0] for step, ends in STEPS.items()} == {
        "to started": 7.5,
        "acknowledged": 0.5,
        "pod seen": 1.0,
        "gate removed": 2.0,
        "controller's part": 3.0,
        "bound": 1.0,
        "started": 3.0,
        "pod's own start": 4.0,
    }
    assert seen.took(LATE) == [0.5]
    assert seen.arrived(STEPS[TOTAL]) == [(1.0, 7.5)]
    assert seen.all_have("over")


def test_a_successor_and_a_stranger_are_no_start() -> None:
    """The first pod of an object counts. A bare pod is its own object; one of an earlier turn is ignored."""
    seen = Sightings()
    seen.expect(0.0, {"run-1": 0.0, "pod-1": 0.0})
    seen.see_pod(1.0, "ADDED", pod("a", "run-1", gated=True))
    seen.see_pod(2.0, "ADDED", pod("b", "run-1", node="n", state="running"))
    seen.see_pod(3.0, "ADDED", pod("pod-1", node="n", state="running"))
    seen.see_pod(4.0, "MODIFIED", pod("of-earlier", "run-0", node="n", state="running"))
    seen.see_pod(5.0, "DELETED", pod("a", "run-1", node="n", state="terminated"))
    assert seen.moments == {
        "run-1": {"due": 0.0, "created": 1.0},
        "pod-1": {"due": 0.0, "created": 3.0, "ungated": 3.0, "bound": 3.0, "started": 3.0},
    }


def test_a_container_that_has_ended_at_once_had_started() -> None:
    """A waiting container has not started; one whose first event shows its end has."""
    seen = Sightings()
    seen.expect(0.0, {"p": 0.0})
    seen.see_pod(1.0, "MODIFIED", pod("p", node="n", state="waiting"))
    assert not seen.all_have("started")
    seen.see_pod(2.0, "MODIFIED", pod("p", node="n", phase="Succeeded", state="terminated"))
    assert seen.all_have("started")


def test_the_operators_own_times_are_of_the_turn() -> None:
    """Only what came since the first reading counts, per object, with a mean for each verb."""
    metrics = Metrics()
    metrics.queue_latency.observe(50.0)
    before = totals(generate_latest(metrics.registry).decode())
    for seconds in (0.01, 0.03):
        metrics.queue_latency.observe(seconds)
        metrics.api_duration.labels("PUT").observe(seconds * 10)
    after = totals(generate_latest(metrics.registry).decode())
    assert means(before, after, 4) == {"wait for a worker": Mean(0.5, 0.02), "request PUT": Mean(0.5, 0.2)}
    assert means({}, {}, 4) == {}


def test_the_operators_part_is_judged_by_the_median_of_the_rounds() -> None:
    """One slow round misses nothing; without Runs nothing is judged."""
    rounds: list[Round] = [{"run": turn("run", part)} for part in (0.05, 0.06, 0.5)]
    assert [(each.found, each.met) for each in verdicts(rounds)] == [(60.0, True), (60.0, True)]
    assert [each.met for each in verdicts([{"pod": turn("pod", 0.0)}])] == [None, None]


def test_the_tables() -> None:
    """Every kind has its quantiles, its difference from the bare pods of its round, its steps and windows; failures are listed."""
    rounds = [
        {"pod": turn("pod", -0.0004, start), "run": turn("run", 0.055, start + more)} for start, more in ((0.1, 0.05), (0.3, 0.07))
    ]
    text = report([replace(LOOP, rounds=rounds, failures=["round 3: job: TimeoutError: "])])
    assert "| run | 30 | 20 | 260 (150-370) | 260 (150-370) | 260 (150-370) | 60 (50-70) | 60 (50-70) | 1.0 | 1.5 |" in text
    assert "| controller's part | acknowledged | ungated | 0 / 0 / 0 | 55 / 55 / 55 |" in text
    assert "| run | 260 / 260 / 260 | - / - / - |" in text
    assert "| request PUT | run | 2.0 | 12.0 |" in text
    assert "- round 3: job: TimeoutError" in text
    assert report([]) == NOTHING_YET


def test_the_page_takes_the_series_of_each_kind_of_nodes(tmp_path: Path) -> None:
    """A new series replaces the one on the same nodes; the other one and the rest of the result stay."""
    (tmp_path / "openloop-kind.json").write_text(json.dumps(asdict(replace(LOOP, nodes="kubelet", rate=2.0))))
    before = Result({"cores": "2"}, [], [LOOP, replace(LOOP, nodes="kubelet", rounds=[{"run": turn("run", 0.1)}])])
    after = page.with_latency(before, tmp_path)
    assert after == replace(before, open_loop=[LOOP, replace(LOOP, nodes="kubelet", rate=2.0)])
    (tmp_path / "result.json").write_text(page.written(before))
    assert page.read(tmp_path / "result.json") == before


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_starts_the_same_container(name: str) -> None:
    """The objects differ in their owner only: the container of each has one image and one command."""
    body = KINDS[name].body("x")
    found = next(each for each in _objects(body) if {"image", "command"} <= each.keys())
    assert (found["image"], found["command"]) == ("busybox:1.37", ["sleep", "2"])


def _objects(body: object) -> list[JsonObject]:
    children = body.values() if isinstance(body, dict) else body if isinstance(body, list) else ()
    return [*([body] if isinstance(body, dict) else []), *(each for child in children for each in _objects(child))]


def turn(kind: str, part: float, start: float = 0.2) -> OpenTurn:
    took = Quantiles(10, start, start, start)
    steps = {name: took if name == TOTAL else Quantiles(10, *[part if name == CONTROLLER else 0.0] * 3) for name in STEPS}
    operator = {"request PUT": Mean(2.0, 0.012)} if kind == "run" else {}
    return OpenTurn(kind, 10, Quantiles(10, 0.0, 0.0, 0.001), steps, [took, Quantiles(0, None, None, None)], operator, 1.5)


LOOP = OpenLoop("simulated nodes (kwok)", {"cores": "2"}, 15.0, 20.0, 10.0, {"run": 30.0})
