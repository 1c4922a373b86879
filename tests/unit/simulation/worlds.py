"""Hypothesis strategies: scenarios in which everything happens, and policies with small thresholds, so that they are reached."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from controller.api.llm_policy import LLM, LLMMode
from controller.api.policy import HealthThresholds, OnBudgetSpent, RunPolicySpec, SilentAgents
from controller.api.resolved_policy import ResolvedPolicy
from controller.simulation.scenario import Scenario, scenario_of

SECONDS = st.sampled_from([0, 300, 900, 1800, 3600])
RATES = st.sampled_from([0, 0.1, 0.5, 2])


def lasts(mean: float) -> dict[str, Any]:
    """Return a distribution of lengths."""
    return {"lognormal": {"median": mean, "p90": 5 * mean}}


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    """Scenarios of half a day with troubles of any frequency."""
    passing = draw(st.booleans())
    ending = {"lastsSeconds": lasts(900)} if passing else {}
    agent = {
        "workSeconds": lasts(draw(st.sampled_from([900, 7200]))),
        "progressEverySeconds": {"exponential": {"mean": draw(st.sampled_from([60, 600]))}},
        "keepsWork": draw(st.sampled_from([0, 0.5, 1])),
        "crash": {"perHour": draw(RATES)},
        "doomed": {"share": draw(st.sampled_from([0, 0.2]))},
        "quiet": {"perHour": draw(RATES), "lastsSeconds": lasts(600)},
        "hang": {"perHour": draw(RATES), **ending},
        "loop": {"perHour": draw(RATES), **ending},
        "questions": {"perHour": draw(RATES), "parks": draw(st.sampled_from([0, 0.5, 1]))},
        "tokensPerHour": 1000,
    }
    people = {
        "answerSeconds": lasts(1200),
        "hours": {"from": "08:00", "to": "20:00"},
        "retry": 0.7,
        "ignore": draw(st.sampled_from([0, 0.3])),
    }
    advisor = draw(st.sampled_from([{}, {"advisor": {"agrees": 0.5, "unavailable": 0.2, "answerSeconds": lasts(10)}}]))
    return scenario_of(
        {
            **advisor,
            "limits": draw(st.sampled_from([{}, {"activeDeadlineSeconds": 7200, "tokenBudget": 3000}])),
            "horizonSeconds": 43200,
            "agent": agent,
            "people": people,
            "nodes": {"drainsPerDay": draw(st.sampled_from([0, 4])), "startSeconds": lasts(20)},
            "provider": {"limitsPerDay": draw(st.sampled_from([0, 4])), "lastsSeconds": lasts(1200)},
            "reporter": {"outagesPerDay": draw(st.sampled_from([0, 8])), "lastsSeconds": lasts(900)},
        }
    )


@st.composite
def policies(draw: st.DrawFn) -> ResolvedPolicy:
    """Policies whose thresholds are of the size of what happens."""
    health = HealthThresholds(
        activity_stalled_seconds=draw(SECONDS),
        progress_stalled_seconds=draw(SECONDS),
        pending_stalled_seconds=draw(st.sampled_from([0, 60])),
        silent_agents=draw(st.sampled_from(SilentAgents)),
    )
    spec = RunPolicySpec(
        health=health,
        restart_budget=draw(st.integers(0, 3)),
        restart_budget_reset_seconds=0,
        restart_cooldown_seconds=draw(st.sampled_from([0, 60, 900])),
        stale_run_age_seconds=draw(st.sampled_from([1200, 3600, 43200])),
        blocked_timeout_seconds=draw(st.sampled_from([1800, 86400])),
        question_timeout_seconds=draw(st.sampled_from([None, 3600])),
        llm=LLM(mode=draw(st.sampled_from(LLMMode))),
        on_budget_spent=draw(st.sampled_from(OnBudgetSpent)),
    )
    return ResolvedPolicy.of("default", spec)
