"""A plan is made again when the facts or the time have changed, and only then."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from controller.plan import plan
from controller.plan.plan_cache import SAME_MOMENT, PlanCache
from tests.unit.plan.test_golden import CASES, NOW, snapshot_of

SNAPSHOT = snapshot_of(CASES[0])
CHANGED = replace(SNAPSHOT, namespace_terminating=not SNAPSHOT.namespace_terminating)
TICK = timedelta(milliseconds=1)


@pytest.mark.parametrize("later", [timedelta(), SAME_MOMENT - TICK])
def test_equal_facts_at_the_same_moment_have_one_plan(later: timedelta) -> None:
    """What a live look finds as the caches told it is not planned twice."""
    first = PlanCache.compute(SNAPSHOT, NOW)
    assert first.refresh(snapshot_of(CASES[0]), NOW + later) is first


@pytest.mark.parametrize(
    ("snapshot", "later"),
    [(CHANGED, timedelta()), (SNAPSHOT, SAME_MOMENT), (SNAPSHOT, -TICK)],
    ids=["other facts", "later", "a clock set back"],
)
def test_whatever_else_is_planned_anew(snapshot: object, later: timedelta) -> None:
    """Other facts, or a time that a clock can tell from the first, have a plan of their own."""
    assert isinstance(snapshot, type(SNAPSHOT))
    again = PlanCache.compute(SNAPSHOT, NOW).refresh(snapshot, NOW + later)
    assert (again.snapshot, again.at) == (snapshot, NOW + later)
    assert again.plan == plan(snapshot, NOW + later)
