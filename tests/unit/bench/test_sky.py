"""What is not exact of a storm is found."""

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
    """A charge too many or too few, a pod too many or too few, a Run that goes on, and a cooldown cut short."""
    exact = pods(0, 1, 11)
    assert list(faults_of(run(), exact, BUDGET, COOLDOWN_SECONDS)) == []
    assert len(list(faults_of(run(restarts=1), exact, BUDGET, COOLDOWN_SECONDS))) == 1
    assert len(list(faults_of(run(phase="Running"), exact, BUDGET, COOLDOWN_SECONDS))) == 1
    assert len(list(faults_of(run(), pods(0, 1, 11, 31), BUDGET, COOLDOWN_SECONDS))) == 1
    assert len(list(faults_of(run(), pods(0, 1), BUDGET, COOLDOWN_SECONDS))) == 1
    assert len(list(faults_of(run(), pods(0, 1, 10), BUDGET, COOLDOWN_SECONDS))) == 1


def test_the_newest_versions_count() -> None:
    """A pod is born once however often it is told of, and runs while its newest version says so."""
    sky = Sky()
    owner = {"ownerReferences": [{"name": "r", "controller": True}]}
    for at, phase in enumerate(("Pending", "Running", "Failed")):
        sky.see_pod(float(at), "MODIFIED", {"metadata": {"name": "p", **owner}, "status": {"phase": phase}})
        assert len(sky.running()) == (phase == "Running")
    sky.see_run(3.0, "MODIFIED", run())
    assert (sky.born, sky.spent()) == ({"p": 0.0}, 1)
