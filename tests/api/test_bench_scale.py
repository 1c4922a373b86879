"""The campaign at scale, on a few Runs: every phase has results."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.api.base import JsonObject
from tests.bench.scale.__main__ import campaign
from tests.bench.scale.plan import PHASES, Plan
from tests.cluster import Cluster

RUNS, COPIED, DEATHS = 6, 3, 2
SMALL = Plan(runs=RUNS, copied=COPIED, rate=20, deaths=DEATHS, seconds=1, storms=1, reports=2, dying=RUNS)
QUICK = replace(SMALL, report_interval_seconds=1, settling_seconds=1.0)


@pytest.fixture(scope="module")
def figures(api_cluster: Cluster) -> dict[str, JsonObject]:
    """Return the results of one campaign, by phase."""
    told: list[JsonObject] = []
    cluster = replace(api_cluster, audit_log=api_cluster.directory / "audit.jsonl")
    campaign(cluster, QUICK, told.append, lambda _: None)
    return {each["phase"]: each for each in told}


def test_every_phase_tells(figures: dict[str, JsonObject]) -> None:
    """No phase is left out, and no part of the history breaks an invariant."""
    assert [*figures] == ["first tenth", "the rest", *PHASES, "judgement"]
    assert figures["judgement"]["violations"] == []


def test_copies_are_runs_at_work_to_an_operator_that_starts(figures: dict[str, JsonObject]) -> None:
    """The operator writes nothing for the copies, neither at its start nor when idle."""
    assert figures["restart"]["writes"] == {}
    assert figures["idle"]["writes"] == {}


def test_every_death_has_a_successor(figures: dict[str, JsonObject]) -> None:
    """Every death has a successor: those among other events, and those of the storm, of copies too."""
    events, storm = figures["events"], figures["storm"]["storms"][0]
    assert events["death_to_successor"]["number"] == events["deaths"] == DEATHS
    assert events["events"] == QUICK.rate
    assert events["death_written_to_told"]["number"] == DEATHS
    assert events["waited_for_a_worker"]["number"] >= DEATHS
    assert storm["death_to_successor"]["number"] == storm["deaths"] == RUNS


def test_reports_cost_no_write(figures: dict[str, JsonObject]) -> None:
    """Reports reach the operator, which writes nothing for them."""
    assert figures["reports"]["objects"] > 0
    assert figures["reports"]["writes"] == {}
