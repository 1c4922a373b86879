"""The Events about a pod that does not start: which are quoted, how they are cleaned, and when they are read."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from controller.api.base import JsonObject
from controller.api.operator_state import AgentState, OperatorState
from controller.api.policy import RunPolicySpec
from controller.api.resolved_policy import ResolvedPolicy
from controller.api.run import Agent, DesiredState, RunSpec
from controller.facts.pod_events import MAX_WARNINGS, MAX_WORDS, last_time, pod_events
from controller.kube.client import Client
from controller.kube.errors import ApiError, Forbidden, Unavailable
from controller.plan.snapshot import PodFacts, RunFacts, Snapshot
from controller.reconcile.node_lookup import NodeLookup
from controller.reconcile.start_obstacles import FRESH_SECONDS, UNREAD, UNREAD_FORBIDDEN, StartObstacles

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
READY: JsonObject = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
LOST: JsonObject = {
    "status": {"conditions": [{"type": "Ready", "status": "Unknown", "lastTransitionTime": "2026-01-01T11:00:00Z"}]}
}


def event(message: str, at: str | None = "2026-01-01T11:59:00Z", **more: Any) -> JsonObject:
    """Return a Warning as a kubelet writes it."""
    about = {"involvedObject": {"uid": "u0"}, "type": "Warning", "reason": "FailedMount", "message": message}
    return {"metadata": {"name": "e"}, "lastTimestamp": at, **about, **more}


@pytest.mark.parametrize(
    ("found", "time"),
    [
        ({"lastTimestamp": "2026-01-01T11:59:00Z", "eventTime": None, "series": None}, "11:59"),
        ({"lastTimestamp": None, "eventTime": "2026-01-01T11:58:00.123456Z"}, "11:58"),
        ({"eventTime": "2026-01-01T11:00:00Z", "series": {"count": 9, "lastObservedTime": "2026-01-01T11:57:00.000000Z"}}, "11:57"),
        ({"lastTimestamp": "yesterday", "firstTimestamp": "2026-01-01T11:56:00Z"}, "11:56"),
        ({"lastTimestamp": 7, "series": [], "metadata": {"creationTimestamp": "2026-01-01T11:55:00Z"}}, "11:55"),
        ({"lastTimestamp": "2026-01-01T11:54:00", "metadata": None}, "00:00"),
    ],
    ids=["core/v1", "events.k8s.io", "a series", "no time", "wrong types", "no zone"],
)
def test_the_last_time_of_an_event(found: JsonObject, time: str) -> None:
    """Clients set different fields and leave others null; no value makes the order fail."""
    assert f"{last_time(found):%H:%M}" == time


def test_the_newest_different_warnings_are_quoted() -> None:
    """Repeated Events count once, and the newest come first; others' Events, Normal ones and the scheduler's are left out."""
    found = [
        *(event(f"old {number}", f"2026-01-01T10:0{number}:00Z") for number in range(MAX_WARNINGS)),
        event("new", "2026-01-01T11:59:00Z"),
        event("new", "2026-01-01T11:58:00Z"),
        event("of a namesake", involvedObject={"uid": "other"}),
        event("pulled", type="Normal"),
        event("0/3 nodes", reason="FailedScheduling"),
        event("", reason="Empty"),
        {"involvedObject": "u0"},
    ]
    assert [warning.message for warning in pod_events("u0", found).warnings] == ["new", "old 2", "old 1"]


@pytest.mark.parametrize(
    ("message", "quoted"),
    [
        ('volume "ssh" : secret "deploy-key" not found', 'volume "ssh" : secret "deploy-key" not found'),
        ("two\nlines \x1b[31mred\u202e", "two lines [31mred"),
        ("mount -o password=hunter2", "mount -o password=[REDACTED]"),
        ("x" * 9000, "x" * (MAX_WORDS - 1) + "…"),
    ],
    ids=["the kubelet's words", "control characters", "a secret", "too long"],
)
def test_an_events_text_is_untrusted(message: str, quoted: str) -> None:
    """Anybody who may create Events writes their text: it is one printable line of bounded length, without secrets."""
    [warning] = pod_events("u0", [event(message)]).warnings
    assert warning.message == quoted


class Api(Client):
    """An API server with one node and the Events of one pod."""

    def __init__(self, node: JsonObject, answer: list[JsonObject] | ApiError) -> None:
        self.node, self.answer, self.now, self.calls = node, answer, NOW, list[str]()

    def server_now(self) -> datetime:
        """Return the time of the test."""
        return self.now

    async def get(self, *_: object) -> JsonObject:
        """Return the node."""
        self.calls.append("node")
        return self.node

    async def list_some(self, *_: object, field_selector: str, most: int) -> list[JsonObject]:
        """Return the Events, or raise the error."""
        self.calls.append(field_selector)
        if isinstance(self.answer, ApiError):
            raise self.answer
        return self.answer[:most]


def situation(pod: PodFacts, desired: DesiredState = DesiredState.RUNNING, **more: Any) -> Snapshot:
    """Return a Run with one agent and its pod."""
    spec = RunSpec(agents=(Agent(name="coder", image="x"),), desired_state=desired)
    state = OperatorState(run_uid="run-1", agents={"coder": AgentState(pod_uid="u0")}, **more)
    run = RunFacts("ns", "demo", "run-1", 1, spec)
    return Snapshot(run, policy=ResolvedPolicy.of("default", RunPolicySpec()), state=state, pods=(pod,))


def pod(phase: str = "Pending", scheduled_at: datetime = NOW - timedelta(hours=1), *, bound: bool = True) -> PodFacts:
    """Return a pod whose containers are being created."""
    named = PodFacts("demo-coder-r0", "u0", "coder", 0, "run-1", phase=phase, bound=bound, node="n1" if bound else "")
    reason = "ContainerCreating" if bound else "Unschedulable"
    return replace(named, scheduled_at=scheduled_at, waiting_reason=reason)


def does_not_start(namespace: str, now: datetime) -> Snapshot:
    """Return a Run in a namespace whose pod has been waiting for its containers for an hour."""
    found = situation(pod(scheduled_at=now - timedelta(hours=1)))
    return replace(found, run=replace(found.run, namespace=namespace))


SELECTED = "involvedObject.uid=u0,type=Warning"


@pytest.mark.parametrize(
    ("snapshot", "calls"),
    [
        (situation(pod()), ["node", SELECTED]),
        (situation(pod("Running")), []),
        (situation(pod(scheduled_at=NOW)), []),
        (situation(pod(bound=False)), []),
        (situation(pod(), paused_at=NOW), []),
    ],
    ids=["does not start", "runs", "starts", "not scheduled", "paused"],
)
async def test_only_a_pod_that_is_about_to_be_escalated_costs_requests(snapshot: Snapshot, calls: list[str]) -> None:
    """A Run whose pods start in time makes no request for its node or its Events."""
    api = Api(READY, [event("no such secret")])
    await StartObstacles(api, NodeLookup(api)).explained(snapshot)
    assert api.calls == calls


async def test_events_are_read_once_for_the_observations_of_a_reconcile() -> None:
    """Further observations use what was read, and later ones read the Events once more."""
    api = Api(READY, [event("no such secret")])
    obstacles = StartObstacles(api, NodeLookup(api))
    for _ in range(3):
        found = await obstacles.explained(situation(pod()))
        assert [warning.message for warning in found.pod_events[0].warnings] == ["no such secret"]
    api.now += timedelta(seconds=FRESH_SECONDS)
    await obstacles.explained(situation(pod()))
    assert api.calls.count(SELECTED) == 2


@pytest.mark.parametrize(
    ("error", "unread"),
    [
        (Forbidden("LIST", 403, "Forbidden", "events is forbidden"), UNREAD_FORBIDDEN),
        (Unavailable("LIST", 503, "", "etcd"), UNREAD),
    ],
    ids=["not allowed", "no answer"],
)
async def test_an_escalation_does_not_wait_for_events(error: ApiError, unread: str) -> None:
    """If the Events cannot be read, the plan shows that instead of a cause."""
    api = Api(READY, error)
    found = await StartObstacles(api, NodeLookup(api)).explained(situation(pod()))
    assert found.pod_events[0].unread == unread


async def test_a_pod_that_does_not_start_on_a_lost_node() -> None:
    """The node explains it: no kubelet writes Events."""
    api = Api(LOST, [])
    found = await StartObstacles(api, NodeLookup(api)).explained(situation(pod()))
    assert (api.calls, found.pods[0].node_lost_since) == (["node"], datetime(2026, 1, 1, 11, tzinfo=UTC))
