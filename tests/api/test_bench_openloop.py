"""The open loop, for a few seconds at a low rate: every kind is measured, and leaves nothing."""

from __future__ import annotations

import pytest

from tests.bench.openloop.campaign import play
from tests.bench.openloop.figures import verdicts
from tests.bench.openloop.kinds import DEFAULT_KINDS
from tests.bench.openloop.plan import Plan
from tests.bench.openloop.results import OpenLoop
from tests.bench.openloop.sightings import STEPS
from tests.bench.openloop.turn import Pace
from tests.cluster import Cluster
from tests.support import items

RATE, SECONDS, WINDOW = 2.0, 4.0, 2.0
PLAN = Plan(seconds=SECONDS, window_seconds=WINDOW, rounds=1, warm_up=1)
COUNT = len(Pace(RATE, SECONDS, WINDOW, f"{PLAN.seed}-0").times())


@pytest.fixture(scope="module")
def loop(api_cluster: Cluster) -> OpenLoop:
    """Return the results of one round."""
    kept: list[int] = []
    found = OpenLoop("simulated nodes", {}, RATE, SECONDS, WINDOW)
    play(api_cluster, PLAN, found, lambda: kept.append(len(found.rounds[0])))
    assert kept == [1, 2, 3]
    return found


@pytest.mark.parametrize("kind", DEFAULT_KINDS)
def test_every_start_is_seen_step_by_step(kind: str, loop: OpenLoop) -> None:
    """Every object of every kind has each of its steps, in a window."""
    assert loop.failures == []
    turn = loop.rounds[0][kind]
    assert COUNT > 0
    assert {step: found.number for step, found in turn.steps.items()} == dict.fromkeys(STEPS, COUNT)
    assert sum(window.number for window in turn.windows) == turn.late.number == turn.sent == COUNT
    assert len(turn.windows) == SECONDS / WINDOW


def test_the_operator_measures_itself(loop: OpenLoop) -> None:
    """A Run takes a creation, a patch and two saves of its status; nobody measures this for pods and Jobs."""
    run, job = loop.rounds[0]["run"], loop.rounds[0]["job"]
    assert {"wait for a worker", "pass", "request POST", "request PUT", "request PATCH"} <= run.operator.keys()
    assert job.operator == {}
    assert all(verdict.found is not None for verdict in verdicts(loop.rounds))


def test_a_turn_leaves_nothing(api_cluster: Cluster, loop: OpenLoop) -> None:
    """Objects end by themselves and are deleted, with their namespaces."""
    assert loop.rounds
    names = [each["metadata"]["name"] for each in items(api_cluster, "default", "namespaces")]
    assert [name for name in names if name.startswith("bench-") and not name.endswith("-home")] == []
