"""The noisy neighbour, with a few Runs: every kind of change is measured, and the crowd does every kind of work."""

from __future__ import annotations

import asyncio

import pytest

from controller.api.base import JsonObject
from tests.bench.neighbours.__main__ import table
from tests.bench.neighbours.campaign import campaign, staged
from tests.bench.neighbours.noisy import TURN
from tests.bench.neighbours.plan import Plan
from tests.bench.neighbours.quiet import KINDS
from tests.cluster import Cluster
from tests.support import await_that

SMALL = Plan(factor=3, stories=1, side_by_side=1, rate=2.0)


@pytest.fixture(scope="module")
def figures(api_cluster: Cluster) -> JsonObject:
    """Return the results of one campaign."""
    with staged(api_cluster, SMALL) as stage:
        found: JsonObject = asyncio.run(campaign(stage, SMALL, lambda _: None))
        await_that(lambda: stage.endpoint.messages, "a notification")
    return found


def test_every_kind_of_change_is_measured_alone_and_beside(figures: JsonObject) -> None:
    """Each story's changes are present: of two turns alone and of one with the crowd; the table has a row for each."""
    assert [figures["alone"][kind]["number"] for kind in KINDS] == [2] * len(KINDS)
    assert [figures["beside"][kind]["number"] for kind in KINDS] == [1] * len(KINDS)
    assert [*figures["ratios"]] == [*KINDS, "decisions"]
    assert len(table(figures)) == 2 + len(figures["ratios"])


def test_the_crowd_does_everything(figures: JsonObject) -> None:
    """It reports, asks, changes, crashes and is recreated, consults the advisor, and causes notifications."""
    noise = figures["noise"]
    assert noise["runs"] == SMALL.factor
    assert set(noise["changes"]) == set(TURN)
    assert noise["escalations"] > 0
    assert noise["consultations"] > 0
