"""The facts from a report: ages become times by the API server's timestamps, and unreadable data is ignored."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from controller.api.agent_report import LimitKind
from controller.api.timestamps import LATEST
from controller.facts.reports import OUTPUTS_LIMIT, is_believed, last_report, report_facts
from controller.plan.snapshot import LimitFacts
from tests.builders import OWNERS, a_pod, a_report

STAMP = "2026-01-01T12:00:00Z"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SAID = {"attempt": 1, "podUID": "u1", "seq": 7, "intervalSeconds": 60, "activityAgeSeconds": 30, "progressAgeSeconds": 90}


def report(status: object = SAID, manager: str = "runwatchman-reporter", subresource: str = "status") -> dict[str, Any]:
    answers = [{"questionID": "q1", "answer": "yes"}]
    found = a_report(status, at=STAMP, deliveries=answers, manager=manager, subresource=subresource)
    found["metadata"]["managedFields"].insert(0, {"manager": "operator", "time": "2026-01-01T13:00:00Z"})
    return found


def pod(message: str) -> dict[str, Any]:
    ended = {"terminated": {"message": message, "finishedAt": STAMP}}
    status = {"initContainerStatuses": [{"name": "runwatchman-reporter", "state": ended}]}
    return a_pod(status=status, labels={"runwatchman.dev/agent": "coder"}, ownerReferences=OWNERS)


def test_ages_become_times_by_the_api_servers_stamp() -> None:
    """Only the managed-fields entry of the reporter counts, and no clock of a pod is used."""
    found = report_facts(report())
    assert found
    assert found.reported_at == datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert found.active_at == datetime(2026, 1, 1, 11, 59, 30, tzinfo=UTC)
    assert found.progress_at == datetime(2026, 1, 1, 11, 58, 30, tzinfo=UTC)
    assert (found.agent, found.run_uid, found.attempt, found.seq, found.deliveries) == ("coder", "run-1", 1, 7, ("q1",))


def test_dismissals_are_no_answers() -> None:
    """Delivered answers and delivered dismissals are distinguished."""
    found = report()
    found["spec"]["deliveries"].append({"questionID": "q2", "answer": "(dismissed)", "dismissed": True})
    facts = report_facts(found)
    assert facts
    assert (facts.deliveries, facts.dismissals) == (("q1",), ("q2",))


@pytest.mark.parametrize(
    "silent",
    [
        report(None),
        report(manager="kubectl"),
        report(subresource=""),
        report(SAID | {"seq": "7"}),
        report(SAID | {"surprise": 1}),
        report(SAID | {"activityAgeSeconds": -1}),
        report("nonsense"),
    ],
    ids=["no status", "another manager", "another subresource", "a wrong type", "an unknown field", "out of range", "no object"],
)
def test_what_cannot_be_understood_says_nothing(silent: dict[str, Any]) -> None:
    """An empty, forged or broken report counts as absent: it decides nothing and raises nothing."""
    assert report_facts(silent) is None


def test_the_last_word_is_read_from_the_termination_message() -> None:
    """Its time is the kubelet's timestamp of the sidecar's end."""
    found = last_report(pod(json.dumps(SAID | {"parked": True})))
    assert found
    assert (found.agent, found.run_uid, found.pod_uid, found.parked) == ("coder", "run-1", "u1", True)
    assert found.reported_at == datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("message", ["", "Error: boom", "[" * 100_000, '{"attempt":', "7", json.dumps({"seq": 1})])
def test_other_last_words_are_none(message: str) -> None:
    """If a sidecar was killed, or its message was cut, the report in the API server counts."""
    assert last_report(pod(message)) is None


@pytest.mark.parametrize(
    ("stated", "seconds"),
    [
        ({}, None),
        ({"resetSeconds": 0}, None),
        ({"resetSeconds": 90}, 90),
        ({"resetsAt": "2026-01-01T12:59:50Z"}, 3600),
        ({"resetsAt": "2026-01-01T11:00:00Z"}, None),
        ({"resetsAt": "9999-12-31T23:59:59Z"}, 31_536_000),
        ({"resetSeconds": 90, "resetsAt": "1970-01-01T00:00:00Z"}, None),
    ],
)
def test_a_limit_has_the_api_servers_times(stated: dict[str, Any], seconds: int | None) -> None:
    """Its age is subtracted like the others. A reset before the limit says nothing, and none is later than a year after it."""
    words = "over the limit, password=hunter2hunter2"
    found = report_facts(report(SAID | {"turns": 3, "limit": {"kind": "Quota", "ageSeconds": 10, "message": words, **stated}}))
    at = NOON - timedelta(seconds=10)
    assert found
    assert found.turns == 3
    assert found.limit == LimitFacts(
        LimitKind.QUOTA, at, None if seconds is None else at + timedelta(seconds=seconds), "over the limit, password=[REDACTED]"
    )


@pytest.mark.parametrize(
    "limit",
    [
        {"kind": "quota", "ageSeconds": 1},
        {"kind": "Quota"},
        {"kind": "Quota", "ageSeconds": -1},
        {"kind": "Quota", "ageSeconds": 1, "resetSeconds": 31_536_001},
        {"kind": "Quota", "ageSeconds": 1, "resetsAt": "2026-01-01T12:00:00"},
        {"kind": "Quota", "ageSeconds": 1, "message": "x" * 1025},
    ],
)
def test_a_limit_that_no_reporter_writes(limit: dict[str, Any]) -> None:
    """A report with one is forged, and counts as absent."""
    assert report_facts(report(SAID | {"limit": limit})) is None


def test_outputs_are_bounded() -> None:
    """Thirty-two agents' outputs must fit into one Run: an output that is too large is left out whole, the rest is kept."""
    outputs = {f"o{n}": "x" * 1000 for n in range(9)}
    found = report_facts(report(SAID | {"result": {"outcome": "Completed", "outputs": outputs}}))
    assert found
    assert found.result
    assert found.result.outputs == {"o0": "x" * 1000, "o1": "x" * 1000}
    assert sum(map(len, found.result.outputs.values())) <= OUTPUTS_LIMIT


@pytest.mark.parametrize(("stamp", "believed"), [(NOON, True), (NOON + timedelta(seconds=59), True), (LATEST, False)])
def test_a_report_from_the_future_is_not_believed(stamp: datetime, believed: bool) -> None:
    """A client's timestamp far ahead of now is not used; API servers' clocks may differ by some seconds."""
    found = report_facts(report())
    assert found
    assert is_believed(replace(found, reported_at=stamp), NOON) is believed
