"""Times and grace periods from users: no value in an object makes the operator's arithmetic raise."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api.base import MAX_SECONDS
from controller.api.template_values import MAX_GRACE_SECONDS
from controller.api.timestamps import EARLIEST, LATEST, bounded, earlier, later, parse_time
from controller.facts.pods import pod_facts
from controller.facts.reports import report_facts
from controller.plan.attempts.start_stop import force_delete_at
from tests.builders import a_pod

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ANY_NUMBER = st.integers() | st.sampled_from([-(2**63), 2**63 - 1, 100_000_000_000_000])
ANY_MOMENT = st.datetimes(timezones=st.just(UTC))


def pod(spec: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    """Return a running pod of a Run."""
    return a_pod(spec, **metadata)


@given(ANY_MOMENT, ANY_NUMBER | st.floats(allow_nan=False))
def test_a_sum_that_no_datetime_holds_saturates(moment: datetime, seconds: float) -> None:
    """For any sum or difference, the result is a time that the API server can write."""
    assert EARLIEST <= later(moment, seconds) <= LATEST
    assert EARLIEST <= earlier(moment, seconds) <= LATEST
    assert EARLIEST <= bounded(moment) <= LATEST


def test_what_a_datetime_holds_is_exact() -> None:
    """Within the bounds the result is exact."""
    assert later(NOON, 90) == datetime(2026, 1, 1, 12, 1, 30, tzinfo=UTC)
    assert earlier(NOON, 1) == datetime(2026, 1, 1, 11, 59, 59, tzinfo=UTC)


@given(ANY_NUMBER, ANY_NUMBER, ANY_MOMENT)
def test_no_grace_period_breaks_the_reading_of_a_pod(own: int, given_grace: int, stamp: datetime) -> None:
    """`kubectl delete --grace-period` and a template accept any integer; the facts have one that is safe in arithmetic."""
    metadata = {"deletionTimestamp": stamp.isoformat(), "deletionGracePeriodSeconds": given_grace}
    facts = pod_facts(pod({"terminationGracePeriodSeconds": own}, **metadata))
    assert 1 <= facts.grace_seconds <= MAX_GRACE_SECONDS
    assert facts.deletion_grace_seconds <= MAX_SECONDS
    assert facts.deleted_at is not None
    assert EARLIEST <= facts.deleted_at <= LATEST


@pytest.mark.parametrize("seconds", [100_000_000_000_000, 7200, MAX_GRACE_SECONDS + 1])
def test_a_deletion_with_more_than_a_pods_own_grace_is_prolonged(seconds: int) -> None:
    """The plan shortens such a deletion; one without a grace period of its own, or a forced one, does not count."""
    stamp: dict[str, Any] = {"deletionTimestamp": "2026-01-01T12:00:00Z"}
    own = {"terminationGracePeriodSeconds": seconds}
    assert pod_facts(pod(deletionGracePeriodSeconds=seconds, **stamp)).prolonged
    assert pod_facts(pod(own, deletionGracePeriodSeconds=seconds, **stamp)).prolonged
    assert not pod_facts(pod(deletionGracePeriodSeconds=30, **stamp)).prolonged
    assert not pod_facts(pod(deletionGracePeriodSeconds=0, **stamp)).prolonged


def test_a_pod_was_told_to_end_where_its_deadline_says_so_too() -> None:
    """Users can write the annotation: alone, it must not keep the operator from ending a pod."""
    written = {"annotations": {"runwatchman.dev/ending-at": "2026-01-01T12:00:00Z"}}
    assert pod_facts(pod(**written)).ending_since is None
    assert pod_facts(pod({"activeDeadlineSeconds": 86400}, **written)).ending_since is None
    assert pod_facts(pod({"activeDeadlineSeconds": 1}, **written)).ending_since == NOON


@given(ANY_MOMENT)
def test_when_a_pod_counts_as_deaf_is_a_time(moment: datetime) -> None:
    """The time is valid even for an annotation at the end of all times."""
    written = {"annotations": {"runwatchman.dev/ending-at": moment.isoformat()}}
    found = force_delete_at(pod_facts(pod({"activeDeadlineSeconds": 1}, **written)))
    assert found is not None
    assert found <= LATEST


@given(ANY_MOMENT, st.integers(0, MAX_SECONDS))
def test_an_age_at_the_beginning_of_all_times_is_a_time(moment: datetime, age: int) -> None:
    """A user who creates a report may write the timestamp that its ages count from."""
    entry = {"manager": "runwatchman-reporter", "subresource": "status", "time": moment.isoformat()}
    status = {"attempt": 0, "podUID": "u", "seq": 1, "intervalSeconds": 60, "activityAgeSeconds": age, "progressAgeSeconds": age}
    spec = {"agent": "coder", "runUID": "run-1"}
    facts = report_facts({"metadata": {"managedFields": [entry]}, "spec": spec, "status": status})
    assert facts is not None
    assert EARLIEST <= facts.active_at <= facts.reported_at <= LATEST


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00"])
def test_a_time_is_read_into_what_can_be_reckoned_with(text: str) -> None:
    """API servers do write Go's zero time, and it is read as a safe value."""
    found = parse_time(text)
    assert found is not None
    assert EARLIEST <= found <= LATEST
