"""The clocks of a running agent begin anew when a human dismisses its question by deleting the escalation."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from controller.api.operator_state import MAX_ASKED
from controller.plan import Snapshot, plan
from controller.plan.actions import NoteDismissal, Transition
from controller.plan.reasons import Reason
from controller.plan.transitions import apply
from tests.unit.plan.stories import NOW, snapshot_of

DISMISSED = snapshot_of(Path(__file__).parent / "cases/asking/escalation-deleted-dismisses-question.yaml")
"""An agent that has waited for an hour for the answer to a question whose escalation was just deleted."""

ESCALATION = "demo-coder-5b182b6f"


def noted(snapshot: Snapshot, now: datetime) -> Snapshot:
    """Return the snapshot after the transitions that are due, until none is."""
    while changes := [action for action in plan(snapshot, now).actions if isinstance(action, Transition)]:
        snapshot = replace(snapshot, state=apply(snapshot, changes[0], now))
    return snapshot


def reported(snapshot: Snapshot, now: datetime, asks: bool) -> Snapshot:
    """Return the snapshot with a report of the same idle agent, which asks the question or has learned that nobody will answer."""
    (report,) = snapshot.reports
    questions = report.questions if asks else ()
    new = replace(report, seq=report.seq + 1, reported_at=now, questions=questions, delivered=("q1",), dismissals=("q1",))
    return replace(snapshot, reports=(new,))


def test_a_dismissal_is_noted_once_with_its_time() -> None:
    """The note comes before anything else, and is not repeated while the report shows the question."""
    later = NOW + timedelta(milliseconds=1)
    assert isinstance(plan(DISMISSED, later).actions[0], NoteDismissal)
    after = noted(DISMISSED, later)
    assert after.state
    assert after.state.agents["coder"].dismissed == {ESCALATION: NOW + timedelta(seconds=1)}
    assert after.state.agents["coder"].attempt == 0
    assert noted(after, NOW + timedelta(seconds=9)) == after


def test_an_agent_has_its_whole_time_after_a_dismissal() -> None:
    """It is restarted only if it is idle for as long as any other, whether or not it still asks."""
    assert DISMISSED.policy
    idle = DISMISSED.policy.spec.health.activity_stalled_seconds
    for asks in (True, False):
        after = noted(DISMISSED, NOW)
        for seconds, stalled in ((60, False), (idle - 1, False), (2 * idle, True)):
            now = NOW + timedelta(seconds=seconds)
            reasons = {action.reason for action in plan(reported(after, now, asks), now).actions}
            assert reasons == ({Reason.ACTIVITY_STALLED} if stalled else set())


def test_a_dismissal_that_is_not_on_record_yet_stops_no_run() -> None:
    """The rule about stale Runs comes before the note, and reads the same clock."""
    assert DISMISSED.policy
    spec = DISMISSED.policy.spec.model_copy(update={"stale_run_age_seconds": 600})
    snapshot = replace(DISMISSED, policy=replace(DISMISSED.policy, spec=spec))
    assert plan(snapshot, NOW).rule == "supervised"


def test_only_the_newest_dismissals_are_kept() -> None:
    """The record has a bound, which is more than the questions that an agent may have open."""
    after = DISMISSED
    for number in range(MAX_ASKED + 2):
        note = NoteDismissal(reason=Reason.QUESTION_DISMISSED, agent="coder", attempt=0, escalation=f"q{number}")
        after = replace(after, state=apply(after, note, NOW))
    assert after.state
    assert list(after.state.agents["coder"].dismissed) == [f"q{number}" for number in range(2, MAX_ASKED + 2)]
