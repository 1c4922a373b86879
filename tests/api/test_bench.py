"""The benchmark, on a few objects: every contestant and every figure is measured."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace

import pytest

from tests.bench.controllers import Contestant, Stage, contestants
from tests.bench.figures import METRICS
from tests.bench.measured import Load, Series, Turn
from tests.bench.series import arena, play
from tests.bench.table import FAILING
from tests.bench.turn import take_turn
from tests.cluster import Cluster
from tests.cluster.processes import start_time

COUNT = 3
LOAD = Load(COUNT, warm_up=1, settling_seconds=2.0, idle_seconds=1.0)
QUICK = replace(LOAD, settling_seconds=0.1, idle_seconds=0.1)
"""A load for tests that ignore the number of writes."""
FAILS_ONCE = replace(QUICK, failing=True)
WRITES = {"job": 6, "naive": 8, "floor": 3, "runwatchman-status": 3, "runwatchman-annotations": 4, "runwatchman-sqlite": 3}
"""Approximate writes per object: they prove that writes are counted at all, and for the right contestant."""


@dataclass(frozen=True)
class Scene:
    """An API server, the measured contestant, and the place for databases."""

    cluster: Cluster
    everybody: dict[str, Contestant]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """The benchmark's own kind of cluster: another one would have the Job controller twice."""
    with arena() as cluster:
        yield Scene(cluster, contestants(tmp_path_factory.mktemp("databases")))


@pytest.fixture(scope="module")
def turns(scene: Scene) -> dict[str, Turn]:
    """One turn of each; they may run in parallel here, since their times are ignored."""
    with ThreadPoolExecutor(len(scene.everybody)) as pool:
        found = pool.map(lambda each: take_turn(scene.cluster, each, LOAD), scene.everybody.values())
        return {turn.contestant: turn for turn in found}


@pytest.mark.parametrize("name", WRITES)
def test_every_figure_of_everybody_is_there(name: str, turns: dict[str, Turn]) -> None:
    """Every contestant has every figure; those of restarts belong to the other series."""
    there = {key for key, metric in METRICS.items() if metric.of(turns[name]) is not None}
    assert there == {key for key in METRICS if not key.startswith("succession")}
    assert METRICS["writes"].of(turns[name]) == pytest.approx(WRITES[name], abs=1.5)
    assert turns[name].idle.total == 0


def test_pods_that_fail_once(scene: Scene) -> None:
    """Our operator starts a successor after each death, and its figures are present."""
    turn = take_turn(scene.cluster, scene.everybody["runwatchman-status"], FAILS_ONCE)
    assert turn.successions.number == COUNT
    assert all(METRICS[metric].of(turn) is not None for metric in FAILING)


def test_a_poisoned_contestant_costs_nobody_else_a_turn(scene: Scene) -> None:
    """A contestant that fails is reported with its reason, the next one is measured, and earlier figures are kept."""
    kept: list[int] = []

    def ends_at_once(stage: Stage, stack: ExitStack) -> int:
        return stage.run(stack, "poisoned", "false")

    floor = scene.everybody["floor"]
    poisoned = replace(floor, name="poisoned", start=ends_at_once)
    series = Series(COUNT, failing=False)
    play(scene.cluster, [poisoned, floor], QUICK, 1, series, lambda: kept.append(len(series.rounds)))
    assert [*series.rounds[0]] == ["floor"]
    assert ["poisoned: ControllerEnded" in failure for failure in series.failures] == [True]
    assert kept == [0, 1]


def test_an_interrupted_turn_ends_what_it_started(scene: Scene) -> None:
    """Ctrl-C in the middle of a turn ends its controller."""
    started: list[int] = []

    def interrupted(pid: int) -> ExitStack:
        started.append(pid)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take_turn(scene.cluster, scene.everybody["floor"], QUICK, interrupted)
    assert [start_time(pid) for pid in started] == [None]
