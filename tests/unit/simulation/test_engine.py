"""Small scripted worlds with known results. Each Run has one hour of work, and its pods take five seconds to start."""

from __future__ import annotations

import pytest

from controller.api.llm_policy import LLM, LLMMode
from controller.api.phases import Phase
from controller.api.policy import HealthThresholds, OnBudgetSpent
from controller.simulation.account import Event
from tests.unit.simulation.scripts import DAY, HOUR, played

START = 5
COOLDOWN = 60
TERM = 1
GRACE = 30


def thresholds(activity: int = 1800, progress: int = 1800) -> HealthThresholds:
    """Return health thresholds in seconds."""
    return HealthThresholds(activity_stalled_seconds=activity, progress_stalled_seconds=progress)


def test_an_undisturbed_run_takes_its_work_and_its_start() -> None:
    """One attempt, nobody asked, nothing charged."""
    result = played({"agent": {"tokensPerHour": 1000, "costMicroUSDPerMillionTokens": 5_000_000}})
    assert (result.phase, result.reason, result.finished_seconds) == (Phase.COMPLETED, "AllAgentsComplete", HOUR + START)
    assert (result.attempts, result.charged, result.free, result.questions, result.blocks) == (1, 0, 0, 0, 0)
    assert (result.tokens_used, result.tokens_wasted, result.cost_micro_usd, result.waiting_seconds) == (1000, 0, 5000, 0)


def test_a_crash_costs_a_charged_restart_and_the_work_that_is_not_kept() -> None:
    """After half an hour of work, of which a half is kept, three quarters of an hour are left."""
    scenario = {"agent": {"keepsWork": 0.5, "tokensPerHour": 1000}}
    result = played(scenario, {("crash", 0, 0): HOUR / 2})
    assert (result.phase, result.attempts, result.charged, result.free) == (Phase.COMPLETED, 2, 1, 0)
    assert result.finished_seconds == HOUR / 2 + HOUR * 3 / 4 + 2 * START
    assert (result.tokens_used, result.tokens_wasted) == (1250, 250)


def test_a_doomed_run_spends_its_budget_and_asks() -> None:
    """Four attempts crash with a budget of three; the person stops the Run."""
    scenario = {"agent": {"doomed": {"share": 1, "afterSeconds": 60}}}
    result = played(scenario, chances={"doomed": True, "retry": False})
    assert (result.attempts, result.charged, result.blocks) == (4, 3, 1)
    assert (result.phase, result.reason) == (Phase.FAILED, "StopOrdered")
    assert result.blocked_seconds == result.waiting_seconds == 600


def test_a_spent_budget_may_fail_the_run() -> None:
    """With onBudgetSpent Fail nobody is asked."""
    scenario = {"agent": {"doomed": {"share": 1, "afterSeconds": 60}, "tokensPerHour": 3600}}
    result = played(scenario, chances={"doomed": True}, on_budget_spent=OnBudgetSpent.FAIL)
    assert (result.phase, result.reason, result.blocks) == (Phase.FAILED, "RestartBudgetSpent", 0)
    assert result.tokens_used == result.tokens_wasted == 4 * 60


def test_a_blocked_run_that_nobody_helps_stays_blocked_until_the_horizon() -> None:
    """The default of blockedTimeoutSeconds is a day, as the horizon."""
    scenario = {"agent": {"doomed": {"share": 1, "afterSeconds": 60}}}
    result = played(scenario, chances={"doomed": True, "ignore": True})
    assert (result.phase, result.finished_seconds) == (Phase.BLOCKED, None)
    assert DAY - 1000 < result.blocked_seconds < DAY


@pytest.mark.parametrize(
    ("threshold", "lasts", "charged", "false_stops"),
    [
        pytest.param(300, 600, 1, 1, id="a hang that would pass is stopped"),
        pytest.param(1800, 600, 0, 0, id="a hang passes before the threshold"),
        pytest.param(300, None, 1, 0, id="an endless hang is stopped, which is right"),
        pytest.param(0, 600, 0, 0, id="the threshold is off"),
    ],
)
def test_a_hang(threshold: int, lasts: int | None, charged: int, false_stops: int) -> None:
    """A hang of ten minutes after twenty minutes of work."""
    scenario = {"agent": {"hang": {"lastsSeconds": lasts}}} if lasts else {}
    result = played(scenario, {("hang", 0, 0): 1200}, health=thresholds(threshold))
    assert (result.phase, result.charged, result.false_stops) == (Phase.COMPLETED, charged, false_stops)


def test_a_hang_that_is_waited_for_delays_the_run_by_its_length() -> None:
    """The work stands still meanwhile."""
    result = played({"agent": {"hang": {"lastsSeconds": 600}}}, {("hang", 0, 0): 1200})
    assert result.finished_seconds == HOUR + START + 600


def test_a_hanging_agent_is_killed_after_its_grace_period() -> None:
    """It ignores TERM, so the next attempt waits for the kubelet's KILL."""
    trace: list[Event] = []
    played({}, {("hang", 0, 0): 1200}, trace=trace, health=thresholds(300))
    times = {text: at for at, text in trace}
    ends = next(at for text, at in times.items() if text.startswith("end 0"))
    assert times["ended 0: 137"] == ends + GRACE
    assert times["create-pod 1: Starting"] == ends + GRACE


def test_a_long_silent_call_is_a_false_stop_if_the_threshold_is_short() -> None:
    """The agent works on in silence, as in a build."""
    scenario = {"agent": {"quiet": {"lastsSeconds": 900}}}
    short, long = (played(scenario, {("quiet", 0, 0): 1200}, health=thresholds(activity)) for activity in (300, 1800))
    assert (short.charged, short.false_stops) == (1, 1)
    assert (long.charged, long.false_stops, long.finished_seconds) == (0, 0, HOUR + START)


def test_an_end_that_would_have_been_a_crash_is_no_false_stop() -> None:
    """The silent agent would have crashed later, so it would not have finished."""
    scenario = {"agent": {"quiet": {"lastsSeconds": 900}}}
    result = played(scenario, {("quiet", 0, 0): 1200, ("crash", 0, 0): 3000}, health=thresholds(300))
    assert (result.charged, result.false_stops) == (1, 0)


def test_a_loop_is_escalated_and_a_retry_is_not_charged() -> None:
    """A person answers after ten minutes; the tokens of the loop are wasted."""
    result = played({"agent": {"tokensPerHour": 1000}}, {("loop", 0, 0): 1200})
    assert (result.phase, result.blocks, result.attempts, result.charged, result.free) == (Phase.COMPLETED, 1, 2, 0, 0)
    assert result.tokens_wasted == pytest.approx(result.tokens_used - 1000, abs=1)
    assert result.tokens_wasted > 500


def test_a_loop_that_nobody_looks_at_ends_as_stale() -> None:
    """After progressStalledSeconds people are asked, and the rest of staleRunAgeSeconds is for people."""
    result = played({}, {("loop", 0, 0): 1200}, chances={"ignore": True})
    assert (result.phase, result.reason, result.false_stops) == (Phase.FAILED, "StaleRun", 0)


def test_a_question_at_night_is_answered_in_the_morning() -> None:
    """Created at midnight, asked after an hour and five seconds of work, answered ten minutes after nine."""
    scenario = {"agent": {"workSeconds": 7200}, "people": {"hours": {"from": "09:00", "to": "18:00"}}}
    result = played(scenario, {("question", 0, 0): HOUR})
    asked, answered = HOUR + START, 9 * HOUR + 600
    assert (result.phase, result.questions, result.attempts, result.charged) == (Phase.COMPLETED, 1, 1, 0)
    assert result.waiting_seconds == pytest.approx(answered - asked, abs=5)
    assert result.finished_seconds == pytest.approx(answered + HOUR, abs=5)


def test_the_timers_of_an_asking_agent_stand_still() -> None:
    """Nine hours of waiting are no stall, with any threshold."""
    scenario = {"agent": {"workSeconds": 7200}, "people": {"hours": {"from": "09:00", "to": "18:00"}}}
    result = played(scenario, {("question", 0, 0): HOUR}, health=thresholds(300, 300), stale_run_age_seconds=600)
    assert (result.phase, result.charged, result.blocks, result.false_stops) == (Phase.COMPLETED, 0, 0, 0)


def test_a_parked_agent_goes_on_in_another_attempt_uncharged() -> None:
    """It keeps its work, whatever a crash would keep."""
    scenario = {"agent": {"keepsWork": 0.0}}
    result = played(scenario, {("question", 0, 0): HOUR / 2}, chances={"parks": True})
    assert (result.phase, result.questions, result.attempts, result.charged, result.free) == (Phase.COMPLETED, 1, 2, 0, 0)
    assert result.finished_seconds == pytest.approx(HOUR + 2 * START + 600, abs=5)


def test_an_unanswered_question_may_fail_the_run() -> None:
    """The policy's questionTimeoutSeconds fails it; with an answer later the agent would have finished."""
    scenario = {"people": {"answerSeconds": 7200}}
    result = played(scenario, {("question", 0, 0): 600}, question_timeout_seconds=3600)
    assert (result.phase, result.reason, result.false_stops) == (Phase.FAILED, "QuestionTimeout", 1)


def test_a_drain_charges_nothing() -> None:
    """The next attempt is free, and begins when the evicted agent has obeyed TERM."""
    result = played({}, {("drain", 0): 1200})
    assert (result.phase, result.attempts, result.charged, result.free, result.blocks) == (Phase.COMPLETED, 2, 0, 1, 0)
    assert result.finished_seconds == HOUR + 2 * START


def test_a_provider_limit_costs_free_restarts_with_growing_cooldowns() -> None:
    """The agent exits with 75 until the provider takes requests again."""
    result = played({"provider": {"lastsSeconds": 1800}}, {("limit", 0): 1200})
    assert (result.phase, result.charged, result.blocks, result.false_stops) == (Phase.COMPLETED, 0, 0, 0)
    assert 4 <= result.free <= 7


def test_a_silent_reporter_restarts_nothing() -> None:
    """An hour without reports is escalated after activityStalledSeconds, and the agent works on."""
    result = played(
        {"agent": {"workSeconds": 7200}, "reporter": {"lastsSeconds": HOUR}}, {("outage", 0): 600}, chances={"ignore": True}
    )
    assert (result.phase, result.attempts, result.blocks) == (Phase.COMPLETED, 1, 1)
    assert result.finished_seconds == 7200 + START


def test_a_slow_start_is_escalated_and_resolves_itself() -> None:
    """The pod takes half an hour, pendingStalledSeconds is ten minutes."""
    result = played({"nodes": {"startSeconds": 1800}}, chances={"ignore": True})
    assert (result.phase, result.blocks, result.attempts) == (Phase.COMPLETED, 1, 1)
    assert result.finished_seconds == HOUR + 1800


def test_a_deadline_fails_the_run_at_its_time_and_is_no_false_stop() -> None:
    """The Run's author has set it, so the operator judges nothing."""
    result = played({"limits": {"activeDeadlineSeconds": 1800}})
    assert (result.phase, result.reason, result.false_stops) == (Phase.FAILED, "DeadlineExceeded", 0)
    assert result.finished_seconds == 1800 + TERM


def test_a_token_budget_fails_the_run_at_the_first_report_above_it() -> None:
    """A report comes once a minute at least."""
    result = played({"agent": {"tokensPerHour": 3600}, "limits": {"tokenBudget": 1800}})
    assert (result.phase, result.reason) == (Phase.FAILED, "TokenBudgetExceeded")
    assert result.finished_seconds == pytest.approx(START + 1800 + 31, abs=31)


def test_an_advisor_that_agrees_spares_people_the_restart_in_mode_auto() -> None:
    """It answers after ten seconds, and the restart is done."""
    scenario = {"advisor": {"answerSeconds": 10}}
    result = played(scenario, {("crash", 0, 0): 1200}, llm=LLM(mode=LLMMode.AUTO))
    assert (result.phase, result.charged, result.approvals) == (Phase.COMPLETED, 1, 0)
    assert result.finished_seconds == HOUR + 2 * START + 10


def test_in_mode_assist_a_person_approves_the_restart() -> None:
    """The advisor answers first, then a person after ten minutes."""
    result = played({"advisor": {"answerSeconds": 10}}, {("crash", 0, 0): 1200}, llm=LLM(mode=LLMMode.ASSIST))
    assert (result.phase, result.charged, result.approvals) == (Phase.COMPLETED, 1, 1)
    assert (result.finished_seconds, result.waiting_seconds) == (HOUR + 2 * START + 10 + 600, 600)


def test_a_denied_restart_is_not_done() -> None:
    """The denial stands until the evidence changes, which a dead agent never does."""
    result = played({"advisor": {}}, {("crash", 0, 0): 1200}, chances={"approve": False}, llm=LLM(mode=LLMMode.ASSIST))
    assert (result.finished_seconds, result.charged, result.approvals) == (None, 0, 1)


def test_without_an_advisor_the_mode_is_off() -> None:
    """The policy's mode has no effect then, as in the operator."""
    result = played({}, {("crash", 0, 0): 1200}, llm=LLM(mode=LLMMode.ASSIST))
    assert (result.charged, result.approvals) == (1, 0)
