"""Which changes of a pod have its Run reconciled at once, and which when its status may be written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from controller.api.names import RunKey
from controller.api.policy import HealthThresholds, RunPolicySpec
from controller.api.resolved_policy import ResolvedPolicy
from controller.api.timestamps import format_time
from controller.cache.policy_file_watcher import PolicyFileWatcher
from controller.cache.routine import ROUTINE_FIELDS, is_routine
from controller.cache.run_cache import RunCache
from controller.plan.snapshot import PodFacts, ReportFacts, Termination
from controller.reconcile.deferral import SHORT_SECONDS, Deferral
from controller.reconcile.status_throttle import LAG_SECONDS, StatusThrottle
from tests.builders import a_pod, a_run

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
KEY = RunKey("ns", "demo", "run-1")

GATED = PodFacts("demo-coder-r0", "c0", "coder", 0, "run-1", gated=True, created_at=NOON)
UNGATED = replace(GATED, gated=False)
BOUND = replace(UNGATED, bound=True, node="n1", scheduled_at=NOON)
PREPARING = replace(BOUND, waiting_reason="PodInitializing", waiting_message="init container reporter has been running since 12:00")
READY = replace(BOUND, phase="Running", ready=True, started_at=NOON)
START = (GATED, UNGATED, BOUND, PREPARING, READY)
"""A pod that starts as it should."""


@pytest.mark.parametrize("later", range(1, len(START)))
def test_a_good_start_is_routine(later: int) -> None:
    """Each step is routine, and so are several at once: a watch may leave some out."""
    assert all(is_routine(before, START[later]) for before in START[:later])


OBSTACLES = {
    "waits for a node": (UNGATED, replace(UNGATED, waiting_reason="Unschedulable")),
    "has found a node": (replace(UNGATED, waiting_reason="Unschedulable"), BOUND),
    "cannot pull its image": (PREPARING, replace(PREPARING, waiting_reason="ImagePullBackOff")),
    "has pulled its image": (replace(PREPARING, waiting_reason="ImagePullBackOff"), PREPARING),
    "runs unready": (BOUND, replace(READY, ready=False)),
    "becomes ready": (replace(READY, ready=False), READY),
    "is unready again": (READY, replace(READY, ready=False)),
    "waits again": (READY, PREPARING),
    "has ended": (READY, replace(READY, phase="Succeeded", ready=False)),
    "cannot be read": (READY, replace(READY, phase="Unknown")),
    "starts while it is deleted": (replace(BOUND, deleting=True), replace(READY, deleting=True)),
    "starts while it is ended": (replace(BOUND, ending_since=NOON), replace(READY, ending_since=NOON)),
}


@pytest.mark.parametrize(("old", "new"), OBSTACLES.values(), ids=OBSTACLES)
def test_other_phases_of_a_start_are_not(old: PodFacts, new: PodFacts) -> None:
    """The start of a suspicion, and its end, are judged at once."""
    assert not is_routine(old, new)


def others() -> Iterator[tuple[str, Any]]:
    """Yield each fact of a pod that is not routine, with another value than `READY` has."""
    values: dict[str, Any] = {"bool": True, "int": 7, "str": "other", "tuple[str, ...]": ("other",), "datetime | None": NOON}
    values |= {"Termination | None": Termination(1), "ReportFacts | None": report(NOON)}
    for field in fields(PodFacts):
        if field.name not in ROUTINE_FIELDS:
            changed = values[str(field.type)]
            yield field.name, changed if changed != getattr(READY, field.name) else NOON + timedelta(days=1)


def report(at: datetime) -> ReportFacts:
    """Return the pod's report of a time."""
    return ReportFacts("coder", "run-1", 0, "c0", 1, at, 60, at)


@pytest.mark.parametrize(("name", "value"), list(others()))
def test_a_change_of_any_other_fact_is_not(name: str, value: object) -> None:
    """A new fact is not routine unless somebody says so."""
    changed: dict[str, Any] = {name: value}
    assert not is_routine(READY, replace(READY, **changed))
    assert not is_routine(BOUND, replace(READY, **changed))


@pytest.mark.parametrize(("age", "routine"), [(0, True), (60, True), (61, False)])
def test_an_agent_that_starts_after_its_reporter_is_silent_is_judged_at_once(age: int, *, routine: bool) -> None:
    """A report's silence counts once the agent runs: with an old report, that may be now."""
    assert is_routine(PREPARING, READY, report(NOON - timedelta(seconds=age))) is routine


def pod(version: int, *, running: bool = False, **spec: Any) -> dict[str, Any]:
    """Return a version of the Run's pod, as a watch sends it."""
    labels = {"runwatchman.dev/run": "demo", "runwatchman.dev/run-uid": "run-1", "runwatchman.dev/agent": "coder"}
    started = {"state": {"running": {"startedAt": format_time(NOON)}}, "name": "agent", "ready": True}
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}], "containerStatuses": [started]}
    return a_pod(spec, status if running else {"phase": "Pending"}, resourceVersion=str(version), labels=labels)


ESCALATION = {
    "metadata": {"namespace": "ns", "name": "e", "uid": "e", "resourceVersion": "1"},
    "spec": {"runName": "demo", "runUID": "run-1", "type": "Blocked", "agent": "coder"},
}


@pytest.mark.parametrize("what", ["a Run", "an open escalation", "no Run", "a reconcile's own write"])
def test_the_cache_is_current_at_once_and_the_run_is_due_later(what: str) -> None:
    """Only a known Run waits, and only without an escalation that the start may close."""
    due, deferred = list[RunKey](), list[RunKey]()
    cache = RunCache(due.append, defer=deferred.append)
    if what != "no Run":
        cache.runs.upsert(a_run())
    if what == "an open escalation":
        cache.escalations.upsert(ESCALATION)
    cache.pods.upsert(pod(1))
    due.clear()
    cache.apply_pod(pod(2, running=True), KEY if what == "a reconcile's own write" else None)
    assert [facts.ready for facts in cache.pods_of(KEY)] == [True]
    waits, own = what == "a Run", what == "a reconcile's own write"
    assert (due, deferred) == ([] if waits or own else [KEY], [KEY] if waits else [])


def test_a_helper_that_starts_is_routine() -> None:
    """Containers beside the agent decide nothing."""
    due, deferred = list[RunKey](), list[RunKey]()
    cache = RunCache(due.append, defer=deferred.append)
    cache.runs.upsert(a_run())
    beside = {"containers": [{"name": "agent"}, {"name": "helper"}]}
    cache.pods.upsert(pod(1, running=True, **beside))
    due.clear()
    helped = pod(2, running=True, **beside)
    helped["status"]["containerStatuses"].append({"name": "helper", "state": {"running": {"startedAt": format_time(NOON)}}})
    cache.pods.upsert(helped)
    assert (due, deferred) == ([], [KEY])


@pytest.mark.parametrize(("pending", "seconds"), [(0, LAG_SECONDS), (1, 0), (SHORT_SECONDS - 1, 0), (SHORT_SECONDS, LAG_SECONDS)])
def test_a_short_deadline_is_not_missed(pending: int, seconds: float) -> None:
    """The time for a start begins when a pod is bound: a Run whose policy has a short one is reconciled at once."""
    cache, policy, throttle = RunCache(lambda _: None), PolicyFileWatcher(None), StatusThrottle()
    policy.current = ResolvedPolicy.of("p", RunPolicySpec(health=HealthThresholds(pending_stalled_seconds=pending)))
    cache.runs.upsert(a_run())
    throttle.written(KEY, 100.0)
    assert Deferral(cache, policy, throttle, lambda: 100.0).seconds(KEY) == seconds
    assert SHORT_SECONDS > LAG_SECONDS
