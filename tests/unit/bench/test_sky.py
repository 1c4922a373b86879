"""The storm check finds every inexact result."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from controller.api.base import JsonObject
from tests.bench.storm_check import Sky, faults_of

START = datetime(2026, 1, 1, tzinfo=UTC)
BUDGET, COOLDOWN_SECONDS = 2, 10


def run(restarts: int = BUDGET, phase: str = "Blocked") -> JsonObject:
    return {"metadata": {"name": "r"}, "status": {"restarts": restarts, "phase": phase}}


def pods(*seconds: float) -> dict[str, JsonObject]:
    born = [(START + timedelta(seconds=each)).strftime("%Y-%m-%dT%H:%M:%SZ") for each in seconds]
    return {f"r-{number}": {"metadata": {"name": f"r-{number}", "creationTimestamp": at}} for number, at in enumerate(born)}


def test_each_fault_is_found() -> None:
    """A surplus or missing charge, a surplus or missing pod, a Run that goes on, and a shortened cooldown are found."""
    exact = pods(0, 1, 11)
    assert list(faults_of(run(), exact, BUDGET, COOLDOWN_SECONDS)) == []
    assert len(list(faults_of(run(restarts=1), exact, BUDGET, COOLDOWN_SECONDS))) == 1
    assert len(list(faults_of(run(phase="Running"), exact, BUDGET, COOLDOWN_SECONDS))) == 1
    assert len(list(faults_of(run(), pods(0, 1, 11, 31), BUDGET, COOLDOWN_SECONDS))) == 1
    assert len(list(faults_of(run(), pods(0, 1), BUDGET, COOLDOWN_SECONDS))) == 1
    assert len(list(faults_of(run(), pods(0, 1, 10), BUDGET, COOLDOWN_SECONDS))) == 1


def test_the_newest_versions_count() -> None:
    """A pod counts as created once, however many events mention it, and as running while its newest version does."""
    sky = Sky()
    owner = {"ownerReferences": [{"name": "r", "controller": True}]}
    for at, phase in enumerate(("Pending", "Running", "Failed")):
        sky.see_pod(float(at), "MODIFIED", {"metadata": {"name": "p", **owner}, "status": {"phase": phase}})
        assert len(sky.running()) == (phase == "Running")
    sky.see_run(3.0, "MODIFIED", run())
    assert (sky.born, sky.spent()) == ({"p": 0.0}, 1)
