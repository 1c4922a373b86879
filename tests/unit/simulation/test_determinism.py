"""A seed gives the same Runs on every machine and in every process."""

from __future__ import annotations

import hashlib
import subprocess
import sys

from controller.api.policy import RunPolicySpec
from controller.api.resolved_policy import ResolvedPolicy
from controller.simulation.draws import Draws
from controller.simulation.engine import simulate_run
from controller.simulation.itinerary import Itinerary
from controller.simulation.scenario import scenario_of

SCENARIO = {
    "agent": {
        "workSeconds": {"lognormal": {"median": 7200, "p90": 28800}},
        "progressEverySeconds": {"exponential": {"mean": 120}},
        "keepsWork": 0.7,
        "crash": {"perHour": 0.2},
        "quiet": {"perHour": 1, "lastsSeconds": {"weibull": {"scale": 600, "shape": 0.8}}},
        "hang": {"perHour": 0.05, "lastsSeconds": {"exponential": {"mean": 3600}}},
        "loop": {"perHour": 0.05},
        "questions": {"perHour": 0.2, "parks": 0.3},
        "tokensPerHour": 1_000_000,
    },
    "people": {"answerSeconds": {"lognormal": {"median": 600, "p90": 3600}}, "hours": {"from": "09:00", "to": "18:00"}},
    "nodes": {"drainsPerDay": 0.5},
    "provider": {"limitsPerDay": 0.5},
    "reporter": {"outagesPerDay": 1},
}

DIGEST = "8f305c98899aaf97a6014707e0b5e4b566a8b19cfb5f656a4ce331e507951b61"
"""SHA-256 of what twenty agents do if nobody disturbs them. It depends on the scenario and the draws, not on decisions."""


def results() -> str:
    """Return twenty results as text."""
    scenario, policy = scenario_of(SCENARIO), ResolvedPolicy.of("default", RunPolicySpec())
    return "\n".join(repr(simulate_run(scenario, policy, Draws(7, run))) for run in range(20))


def courses() -> str:
    """Return what twenty agents do in their first attempts, as text."""
    agent = scenario_of(SCENARIO).agent
    found = (Itinerary(agent, Draws(7, run), 0, left=7_200_000, horizon=86_400_000) for run in range(20))
    return "\n".join(repr([course.stretch() for _ in range(3)]) for course in found)


def test_another_process_gives_the_same_runs() -> None:
    """Hashes of texts differ between processes, and must not matter."""
    code = "from tests.unit.simulation.test_determinism import results; print(results())"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert found.stdout.strip() == results()


def test_every_machine_gives_the_same_courses() -> None:
    """Logarithms may differ in their last bits between machines; times are whole milliseconds."""
    assert hashlib.sha256(courses().encode()).hexdigest() == DIGEST
