"""The figures of policies, and what is said of two of them."""

from __future__ import annotations

from dataclasses import replace

from controller.api.phases import Phase
from controller.simulation.document import Played, Setting, document, sentence
from controller.simulation.figures import Verdict, compare, endings, figures
from controller.simulation.result import RunResult
from controller.simulation.scenario import scenario_of
from controller.simulation.table import policies

HOUR = 3600.0
DONE = RunResult(
    phase=Phase.COMPLETED,
    reason="AllAgentsComplete",
    finished_seconds=HOUR,
    attempts=1,
    charged=0,
    free=0,
    questions=0,
    approvals=0,
    blocks=0,
    waiting_seconds=0,
    blocked_seconds=0,
    stuck_seconds=0,
    false_stops=0,
    tokens_used=1000,
    tokens_wasted=0,
    cost_micro_usd=0,
    cost_wasted_micro_usd=0,
    plans=9,
)
STALE = replace(DONE, phase=Phase.FAILED, reason="StaleRun", false_stops=1, tokens_wasted=1000)
OPEN = replace(DONE, phase=Phase.BLOCKED, reason="RestartBudgetSpent", finished_seconds=None)
EARLY, PATIENT = [DONE] * 60 + [STALE] * 40, [DONE] * 95 + [OPEN] * 5


def test_times_are_of_all_runs() -> None:
    """A policy that stops the slow Runs is not faster for it: they count as never complete."""
    found = figures(EARLY)
    assert (found["completed"].value, found["completionSecondsP50"].value) == (0.6, HOUR)
    assert found["completionSecondsP90"].value == float("inf")


def test_endings_are_counted_by_phase_and_reason() -> None:
    """The most frequent is first."""
    assert endings(EARLY) == [("Completed", "AllAgentsComplete", 60), ("Failed", "StaleRun", 40)]


def test_the_same_runs_are_compared() -> None:
    """What differs in no Run is not shown to differ; what is shown has its sign and its meaning."""
    verdicts = {each.measure.name: each.verdict for each in compare(EARLY, PATIENT)}
    assert verdicts["completed"] is verdicts["falseStops"] is verdicts["tokensWasted"] is Verdict.BETTER
    assert verdicts["restartsFree"] is verdicts["completionSeconds"] is Verdict.NONE
    assert {each.verdict for each in compare(PATIENT, EARLY)} == {Verdict.WORSE, Verdict.NONE}


def test_the_verdict_is_a_sentence() -> None:
    """It says which policy is better in what, or that no difference is shown."""
    assert sentence("early", "patient", compare(EARLY, PATIENT)) == (
        "patient is better in completed, agents stopped that would have finished, tokens wasted than early"
    )
    assert sentence("a", "b", compare(EARLY, EARLY)) == "no difference between a and b is shown"


def test_the_table_shows_what_the_document_has() -> None:
    """The shares of both, the difference between them, and the endings, in the order of their frequency."""
    setting = Setting("calm", scenario_of({"runsPerDay": 50}), runs=100, seed=1)
    played = [Played("early", EARLY), Played("patient", PATIENT)]
    text = "\n".join(policies(setting, played))
    made = document(setting, played)
    assert made["policies"][0]["figures"]["completed"]["value"] == 0.6
    assert made["policies"][0]["figures"]["completionSecondsP90"]["value"] is None
    assert made["comparisons"][0]["differences"]["completed"] == {
        "value": 0.35,
        "low": 0.2548821,
        "high": 0.4451179,
        "runs": 100,
        "verdict": "better",
    }
    assert "completed                                              60.0 % (50.2 to 69.1)" in text
    assert "over 24.0 h" in text
    assert "+35.0 points (+25.5 to +44.5)" in text
    assert text.index("Failed, StaleRun") < text.index("Blocked, RestartBudgetSpent")
