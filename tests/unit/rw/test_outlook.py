"""The times of the operator's next actions: each threshold at the time that its evidence gives, and none whose clock is stopped."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from controller.api.operator_state import OperatorState
from controller.api.policy import HealthThresholds, RunPolicySpec
from controller.cli.rw.objects import JsonObject
from controller.cli.rw.related_objects import Around
from controller.cli.rw.upcoming import Outlook
from tests.unit.rw.stories import NOW, escalation

STAMP = datetime(2026, 1, 1, 11, 59, 0, tzinfo=UTC)
POLICY = RunPolicySpec()
"""Activity 1800 s, progress 1800 s, stale 3600 s, one confirmation interval of 15 s."""


def run_of(health: str = "Healthy", phase: str = "Running", **status: object) -> JsonObject:
    agent = {"name": "coder", "attempt": 1, "podName": "r-coder-r1", "health": health, "restarts": 1}
    told = {"phase": phase, "startTime": "2026-01-01T11:00:00Z", "agents": [agent], **status}
    return {"metadata": {"name": "r", "uid": "u"}, "spec": {"agents": [{"name": "coder", "image": "x"}]}, "status": told}


def report_of(attempt: int = 1, **status: int) -> JsonObject:
    meta = {
        "name": "r-coder",
        "managedFields": [{"manager": "runwatchman-reporter", "subresource": "status", "time": STAMP.isoformat()}],
    }
    told = {"attempt": attempt, "podUID": "p", "seq": 1, "intervalSeconds": 60, "activityAgeSeconds": 10, **status}
    return {"metadata": meta, "spec": {"agent": "coder", "runUID": "u"}, "status": told}


def ahead(
    run: JsonObject, *, policy: RunPolicySpec = POLICY, left: int = 2, **around: tuple[JsonObject, ...]
) -> dict[str, datetime]:
    """Return the upcoming actions by the setting that they name."""
    checks = Outlook(run, Around(**around), policy, None, left).checks(NOW)  # type: ignore[arg-type]  # only tuples of objects
    assert checks == sorted(checks)
    return {check.what.rpartition("(")[2].rstrip(")"): check.at for check in checks}


def test_a_silent_agent_is_judged_by_its_activity() -> None:
    """If no progress was reported, the stall and staleness count from the last activity, and progress is not judged."""
    found = ahead(run_of(), reports=(report_of(),))
    active = STAMP - timedelta(seconds=10)
    assert found["activityStalledSeconds"] == active + timedelta(seconds=1800 + 15)
    assert found["staleRunAgeSeconds"] == active + timedelta(seconds=3600 + 15)
    assert "progressStalledSeconds" not in found


def test_progress_counts_once_it_was_shown() -> None:
    """Staleness counts from the last progress, however active the agent is."""
    found = ahead(run_of(), reports=(report_of(progressAgeSeconds=900),))
    progress = STAMP - timedelta(seconds=900)
    assert found["progressStalledSeconds"] == progress + timedelta(seconds=1800 + 15)
    assert found["staleRunAgeSeconds"] == progress + timedelta(seconds=3600 + 15)


@pytest.mark.parametrize("health", ["AwaitingGuidance", "Complete", "Dead", "Queued"])
def test_clocks_stand_still(health: str) -> None:
    """An agent that waits for an answer, or has ended, is not judged by its activity."""
    assert ahead(run_of(health), reports=(report_of(),)) == {}


def test_a_deadline_that_stands_still_is_not_ahead() -> None:
    """While providers hold all agents back, no time is known at which the Run fails; afterwards their wait does not count."""
    run = run_of("Queued", "Queued")
    run["spec"]["activeDeadlineSeconds"] = 7200
    held = OperatorState(run_uid="u", held_at=STAMP)
    assert Outlook(run, Around(), POLICY, held, left=2).checks(NOW) == []
    over = held.model_copy(update={"held_at": None, "paused_seconds": 60})
    [check] = Outlook(run, Around(), POLICY, over, left=2).checks(NOW)
    assert (check.at, check.what) == (datetime(2026, 1, 1, 13, 1, tzinfo=UTC), "the Run fails (activeDeadlineSeconds)")


def test_a_former_attempts_report_counts_for_nothing() -> None:
    """The report of an earlier attempt says nothing about the current one."""
    assert ahead(run_of(), reports=(report_of(attempt=0),)) == {}


def test_thresholds_can_be_switched_off() -> None:
    """0 is off."""
    policy = POLICY.model_copy(update={"health": HealthThresholds(activity_stalled_seconds=0, progress_stalled_seconds=0)})
    found = ahead(run_of(), policy=policy, reports=(report_of(progressAgeSeconds=5),))
    assert not {"activityStalledSeconds", "progressStalledSeconds"} & set(found)


def test_no_restart_is_promised_that_nobody_can_pay() -> None:
    """With the budget spent, a stalled agent is escalated to a human, and an optional one has no upcoming action."""
    run = run_of()
    checks = Outlook(run, Around(reports=(report_of(),)), POLICY, None, left=0).checks(NOW)
    assert any(check.what.startswith("a human is asked about coder, if it is idle") for check in checks)
    run["spec"]["agents"][0]["required"] = False
    assert "activityStalledSeconds" not in ahead(run, left=0, reports=(report_of(),))


def test_pending_pods_have_their_time() -> None:
    """A scheduled pod that has not started is escalated after pendingStalledSeconds and the confirmations."""
    pod = {
        "metadata": {"name": "r-coder-r1", "uid": "p", "creationTimestamp": "2026-01-01T11:58:00Z"},
        "spec": {"containers": [{"name": "agent"}], "nodeName": "n"},
        "status": {"conditions": [{"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-01-01T11:58:30Z"}]},
    }
    found = ahead(run_of("Starting"), pods=(pod,))
    assert found == {"pendingStalledSeconds": datetime(2026, 1, 1, 12, 8, 45, tzinfo=UTC)}


def test_deadline_and_expiries() -> None:
    """The deadline counts from the start; each open escalation has the effect of its expiry, an answered one has none."""
    run = run_of()
    run["spec"]["activeDeadlineSeconds"] = 7200
    open_one = escalation("ask", "Approval", expiresAt="2026-01-01T12:05:00Z")
    answered = escalation("old", "Question", expiresAt="2026-01-01T12:06:00Z", response={"decision": "Answer", "by": "a"})
    found = ahead(run, escalations=(open_one, answered))
    assert found["activeDeadlineSeconds"] == datetime(2026, 1, 1, 13, 0, tzinfo=UTC)
    assert found["onApprovalTimeout"] == datetime(2026, 1, 1, 12, 5, tzinfo=UTC)
    assert len(found) == 2


def test_a_finished_run_only_waits_to_go() -> None:
    """The Run's own ttl counts, otherwise the policy's."""
    run = run_of(phase="Failed", completionTime="2026-01-01T11:59:00Z")
    policy = POLICY.model_copy(update={"ttl_seconds_after_finished": 600})
    assert ahead(run, policy=policy, reports=(report_of(),)) == {"ttlSecondsAfterFinished": datetime(2026, 1, 1, 12, 9, tzinfo=UTC)}
    run["spec"]["ttlSecondsAfterFinished"] = 120
    assert ahead(run, policy=policy) == {"ttlSecondsAfterFinished": datetime(2026, 1, 1, 12, 1, tzinfo=UTC)}


def test_what_is_past_is_not_ahead() -> None:
    """A threshold that has passed is for the operator to act on, and is not listed any more."""
    found = ahead(run_of(), reports=(report_of(activityAgeSeconds=5000),))
    assert not {"activityStalledSeconds", "staleRunAgeSeconds"} & set(found)


def test_charges_are_given_back() -> None:
    """Charges are reset after restartBudgetResetSeconds of running."""
    state = {
        "containerStatuses": [{"name": "agent", "state": {"running": {"startedAt": "2026-01-01T11:00:00Z"}}}],
        "phase": "Running",
    }
    pod = {"metadata": {"name": "r-coder-r1", "uid": "p"}, "spec": {"containers": [{"name": "agent"}]}, "status": state}
    assert ahead(run_of(), pods=(pod,)) == {"restartBudgetResetSeconds": datetime(2026, 1, 1, 17, 0, tzinfo=UTC)}
    fresh = run_of()
    fresh["status"]["agents"] = [{**fresh["status"]["agents"][0], "restarts": 0}]
    assert ahead(fresh, pods=(pod,)) == {}


def test_stories_stay_as_they_are() -> None:
    """An outlook does not change its input."""
    run, around = run_of(), Around(reports=(report_of(),))
    before = (repr(run), repr(around))
    Outlook(run, replace(around), POLICY, None, 1).checks(NOW)
    assert (repr(run), repr(around)) == before
