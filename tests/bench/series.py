"""Rounds of turns on one API server: each controller alone in turn, repeatedly."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import aiohttp

from tests.bench.controllers import Contestant
from tests.bench.figures import METRICS
from tests.bench.measured import Load, Series, Turn
from tests.bench.turn import ControllerEnded, take_turn
from tests.cluster import Cluster, lifecycle
from tests.cluster.progress import ClusterError, say
from tests.conftest import install

NODES = 2
WITHOUT_JOBS = "*,-job"
"""The Job controller is a contestant, so the cluster's own controller-manager runs without it."""
BARE = Path(__file__).parent / "bare.yaml"
TURN_FAILED = (
    AssertionError,  # an operator that does not become ready
    ClusterError,
    ControllerEnded,
    ExceptionGroup,  # a lost watch, a refused request
    OSError,  # including a turn that takes too long
    aiohttp.ClientError,
    subprocess.SubprocessError,
)


@contextmanager
def arena() -> Iterator[Cluster]:
    """An API server with simulated nodes and the contestants' common objects, but none of their controllers."""
    cluster = lifecycle.up("api", kwok_nodes=NODES, controllers=WITHOUT_JOBS)
    try:
        install(cluster)
        cluster.kubectl("apply", "-f", str(BARE))
        cluster.kubectl("wait", "crd", "--all", "--for=condition=Established", "--timeout=30s")
        yield cluster
    finally:
        lifecycle.end(cluster)


def play(
    cluster: Cluster, contestants: Sequence[Contestant], load: Load, repetitions: int, series: Series, keep: Callable[[], None]
) -> None:
    """Measure contestants in turn, over some rounds; each round begins with another one, since an API server grows with its
    history.

    A failed turn is reported and does not affect the others. The results are stored after each turn.
    """
    for number in range(1, repetitions + 1):
        turns: dict[str, Turn] = {}
        for each in _from(contestants, number - 1):
            try:
                turns[each.name] = turn = take_turn(cluster, each, load)
            except TURN_FAILED as error:
                series.failures.append(f"round {number}: {each.name}: {why(error)}")
                say(f"FAILED: {series.failures[-1]}")
            else:
                say(f"round {number} of {repetitions}: {told(turn)}")
                if len(turns) == 1:
                    series.rounds.append(turns)
            keep()


def told(turn: Turn) -> str:
    """Return one line of progress."""
    cpu, writes = (METRICS[name].of(turn) for name in ("cpu", "writes"))
    return f"{turn.contestant}: {turn.load.count} in {turn.wall:.1f} s, {cpu:.1f} ms of CPU and {writes:.2f} writes each"


def why(error: BaseException) -> str:
    """Return a failure's cause in one line, without the task groups around it."""
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(why(each) for each in error.exceptions)
    return f"{type(error).__name__}: {error}"


def _from(contestants: Sequence[Contestant], number: int) -> list[Contestant]:
    first = number % len(contestants)
    return [*contestants[first:], *contestants[:first]]
