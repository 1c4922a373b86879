"""Each write of a reconcile has an owner for its refusal: the snapshot, and so the Run's condition; or an Event and a metric."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any, cast, get_args

import pytest

from controller.api.agent_report import AgentReport
from controller.api.base import JsonObject
from controller.api.escalation import EscalationPhase
from controller.api.names import FINALIZER_OUTCOME, GATE_ADMITTED, RunKey
from controller.api.phases import Phase
from controller.api.policy import NetworkMode, RunPolicySpec
from controller.api.resolved_policy import ResolvedPolicy
from controller.api.run import Agent, RunSpec, Workspace
from controller.api.tasks import TaskKind
from controller.api.verification import Verify
from controller.cache.run_cache import RunCache
from controller.kube.client import Client
from controller.kube.errors import ApiError, Conflict, Forbidden, Invalid, NotFound, Unavailable
from controller.kube.event_recorder import record_refusal_event
from controller.kube.resources import EVENTS, NETWORK_POLICIES, SERVICE_ACCOUNTS, Resource
from controller.observability.metrics import Metrics
from controller.plan import refused_writes
from controller.plan.actions import (
    Consult,
    CreateClaim,
    CreateEscalation,
    CreatePod,
    CreateTask,
    Creation,
    DeletePod,
    DeleteRun,
    DeliverAnswer,
    Effect,
    RemoveFinalizer,
    SetEscalationPhase,
    Terminate,
    Ungate,
)
from controller.plan.context import PlanContext
from controller.plan.inquiries import Inquiry
from controller.plan.intents import Intent
from controller.plan.model import Plan, Verdict
from controller.plan.reasons import Reason
from controller.plan.snapshot import EscalationFacts, PodFacts, RunFacts, Snapshot
from controller.reconcile.actions import Tools, perform
from controller.reconcile.unrecorded_refusals import UnrecordedRefusals
from controller.resources.reporter_sidecar import Sidecar
from controller.status.status import build_status
from tests.builders import a_pod
from tests.unit.test_timestamps import NOON

WORDS = "policy 'labelled' denied request: pods need the label cost-centre"
TERMINATING = {"causes": [{"reason": "NamespaceTerminating"}]}
AGENT = Agent(name="coder", image="x", workspace=Workspace(), verify=Verify(command=("true",)))
RUN = RunFacts("ns", "demo", "run-1", 1, RunSpec(agents=(AGENT,)))
POD = PodFacts("demo-coder-r0", "u0", "coder", 0, "run-1", gated=True, gate_index=1, finalizers=("x/y", FINALIZER_OUTCOME))
ESCALATION = EscalationFacts("e1", "e1", "run-1", "coder", 0)
SNAPSHOT = Snapshot(RUN, pods=(POD,), escalations=(ESCALATION,))
META = {"name": "e1", "uid": "e1", "resourceVersion": "1", "labels": {"runwatchman.dev/attempt": "0"}}
SPEC = {"runUID": "run-1", "type": "Blocked", "agent": "coder", "responders": {}}
OF_POD: dict[str, Any] = {"reason": Reason.STARTING, "agent": "coder", "attempt": 0, "pod": "demo-coder-r0"}
OF_UID: dict[str, Any] = OF_POD | {"pod_uid": "u0"}
OF_AGENT: dict[str, Any] = {"reason": Reason.ESCALATED, "agent": "coder", "attempt": 0}
ACTIONS: list[Creation | Effect] = [
    CreatePod(**OF_POD),
    CreateClaim(**OF_POD),
    CreateTask(**OF_POD, kind=TaskKind.VERIFY, number=0),
    Ungate(**OF_UID),
    Terminate(**OF_UID),
    DeletePod(**OF_UID, intent=Intent.STOP, grace_seconds=30),
    RemoveFinalizer(**OF_UID),
    CreateEscalation(**OF_AGENT, intent=Intent.ESCALATE_BLOCKED, inquiry=Inquiry("e1", "s", "t", NOON)),
    SetEscalationPhase(**OF_AGENT, intent=Intent.ESCALATE_BLOCKED, escalation="e1", escalation_phase=EscalationPhase.OPEN),
    DeliverAnswer(**OF_AGENT, escalation="e1", question="q1"),
    DeleteRun(reason=Reason.TTL_EXPIRED),
]


class Refusing:
    """An API server that answers reads, and each write with the same error; Events are stored."""

    def __init__(self, error: ApiError, only: Resource | None = None) -> None:
        self.error, self.only = error, only
        self.events: list[JsonObject] = []
        self.asked: list[tuple[str, Any]] = []

    def server_now(self) -> Any:
        """Return the time."""
        return NOON

    async def get(self, resource: Resource, _: str, name: str) -> JsonObject:
        """Return an escalation, or the agent's report; no NetworkPolicy exists."""
        if resource is NETWORK_POLICIES:
            raise NotFound("GET", 404, "NotFound", name)
        report = {"metadata": {"name": name, "resourceVersion": "1"}, "spec": {"runUID": "run-1"}}
        return report if resource.kind == AgentReport.__name__ else {"metadata": META, "spec": SPEC}

    async def create(self, resource: Resource, _: str, body: JsonObject) -> JsonObject:
        """Refuse a creation, but not that of an Event."""
        if resource is EVENTS:
            self.events.append(body)
            return body
        return await self._write(resource, body)

    async def json_patch(self, resource: Resource, _: str, __: str, operations: Any) -> JsonObject:
        """Refuse a patch."""
        return await self._write(resource, operations)

    async def merge_patch(self, resource: Resource, _: str, __: str, body: Any) -> JsonObject:
        """Refuse a patch."""
        return await self._write(resource, body)

    async def replace(self, resource: Resource, _: str, __: str, body: Any, **___: str) -> JsonObject:
        """Refuse a replacement."""
        return await self._write(resource, body)

    async def delete(self, resource: Resource, *_: str, **__: Any) -> JsonObject:
        """Refuse a deletion."""
        return await self._write(resource, None)

    async def _write(self, resource: Resource, body: Any) -> JsonObject:
        self.asked.append((resource.kind, body))
        if self.only in (None, resource):
            raise self.error
        return cast("JsonObject", body)


def tools(server: Refusing, **more: Any) -> Tools:
    """Return the dependencies of steps."""
    return Tools(cast("Client", server), RunCache(lambda _: None), **({"git_image": "git:1"} | more))


def forbidden(details: JsonObject | None = None) -> ApiError:
    """Return a refusal."""
    return Forbidden("PATCH x", 403, "Forbidden", WORDS, details=details)


def test_every_write_is_in_the_table() -> None:
    """Every step that touches the cluster is tried here and has a reason for its refusal; the consultation is no write."""
    steps = {step for kind in (Creation, Effect) for step in get_args(kind)} - {Consult}
    assert {type(action) for action in ACTIONS} == steps
    assert set(refused_writes.WRITES) == {step.step for step in steps}


@pytest.mark.parametrize("error", [forbidden(), Invalid("x", 422, "Invalid", WORDS), Invalid("x", 400, "BadRequest", WORDS)])
@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.step)
async def test_a_refused_write_is_part_of_the_snapshot(action: Creation | Effect, error: ApiError) -> None:
    """The next plan of the pass has the API server's words and not the action; the status shows them in its condition."""
    after = await perform(tools(Refusing(error)), SNAPSHOT, action)
    (refusal,) = after.refusals
    assert refusal.message.startswith(WORDS)  # The refusal of a pod may end with a remedy.
    assert refused_writes.of(PlanContext(after, NOON), action) == after.refusals[0]
    (condition,) = (c for c in status_of(after)["conditions"] if c["type"] == "WritesAccepted")
    assert (condition["status"], condition["reason"]) == ("False", refused_writes.WRITES[action.step].reason)
    assert WORDS in condition["message"]


@pytest.mark.parametrize(
    "error", [Unavailable("x", 500, "InternalError", "failed calling webhook"), Conflict("x", 409, "Conflict", "")]
)
@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.step)
async def test_a_failed_write_is_no_refusal(action: Creation | Effect, error: ApiError) -> None:
    """An overload, an unreachable webhook or a conflict ends the pass, which is retried with backoff."""
    with pytest.raises(type(error)):
        await perform(tools(Refusing(error)), SNAPSHOT, action)


async def test_a_terminating_namespace_refuses_nothing() -> None:
    """A creation in a namespace that is being deleted is not asked about: from then on the Run's pods are released."""
    after = await perform(tools(Refusing(forbidden(TERMINATING))), SNAPSHOT, ACTIONS[0])
    assert (after.refusals, after.namespace_terminating) == ((), True)


@pytest.mark.parametrize(("resource", "words"), [(NETWORK_POLICIES, "NetworkPolicy"), (SERVICE_ACCOUNTS, "ServiceAccount")])
@pytest.mark.parametrize("error", [forbidden(), Invalid("x", 422, "Invalid", WORDS)])
async def test_a_refused_part_of_a_namespace_is_a_refusal_of_the_pod(resource: Resource, words: str, error: ApiError) -> None:
    """A pod that must not start without its NetworkPolicy or its reporter's account names that object and the words."""
    policy = ResolvedPolicy.of("p", RunPolicySpec(network_policy=NetworkMode.MANAGED))
    server = Refusing(error, only=resource)
    after = await perform(tools(server, sidecar=Sidecar("reporter", 30)), replace(SNAPSHOT, policy=policy), ACTIONS[0])
    assert words in after.refusals[0].message
    assert WORDS in after.refusals[0].message


async def test_the_gate_is_removed_wherever_it_is() -> None:
    """A webhook that puts its own gate before ours does not keep the pod from being started."""
    server = Refusing(forbidden())
    await perform(tools(server), SNAPSHOT, Ungate(**OF_UID))
    paths = [operation["path"] for operation in server.asked[0][1]]
    assert "/spec/schedulingGates/1" in paths
    assert "/spec/schedulingGates/0" not in paths


class Undoing(Refusing):
    """An API server whose mutating webhook undoes every change of a pod: it accepts writes and returns the pod as it was."""

    def __init__(self, pod: JsonObject) -> None:
        super().__init__(forbidden())
        self.pod = pod

    async def get(self, *_: object) -> JsonObject:
        """Return the pod."""
        return copy.deepcopy(self.pod)

    async def _write(self, resource: Resource, body: Any) -> JsonObject:
        self.asked.append((resource.kind, body))
        return copy.deepcopy(self.pod)


POD_ACTIONS = [action for action in ACTIONS if isinstance(action, Ungate | Terminate | DeletePod | RemoveFinalizer)]


@pytest.mark.parametrize("action", POD_ACTIONS, ids=lambda action: action.step)
async def test_a_write_that_is_undone_is_a_refusal(action: Effect) -> None:
    """A webhook that restores the gate, the finalizer or the deadline is not fought without end: the refusal names it."""
    gates = {"schedulingGates": [{"name": "x/y"}, {"name": GATE_ADMITTED}]}
    server = Undoing(a_pod(gates, finalizers=["x/y", FINALIZER_OUTCOME]) | {})
    server.pod["metadata"]["uid"] = "u0"
    before = tools(server).with_pod(replace(SNAPSHOT, pods=()), copy.deepcopy(server.pod))
    after = await perform(tools(server), before, action)
    assert "webhook undoes it" in after.refusals[0].message
    assert refused_writes.of(PlanContext(after, NOON), action)
    assert len(server.asked) == 1


async def test_a_write_with_an_effect_is_none() -> None:
    """The pod of the API server's answer has lost its gate."""
    gates = {"schedulingGates": [{"name": "x/y"}, {"name": GATE_ADMITTED}]}
    before = a_pod(gates, uid="u0")
    server = Undoing(a_pod(uid="u0"))
    assert not (await perform(tools(server), tools(server).with_pod(replace(SNAPSHOT, pods=()), before), Ungate(**OF_UID))).refusals


async def test_a_condition_that_becomes_false_is_an_event_once() -> None:
    """The Event follows from the change of the condition, and a second pass with the same refusal posts none."""
    server = Refusing(forbidden())
    refused = status_of(await perform(tools(server), SNAPSHOT, Terminate(**OF_UID)))
    run = {"metadata": {"namespace": "ns", "name": "demo", "uid": "run-1"}, "status": refused}
    await record_refusal_event(cast("Client", server), {}, run)
    await record_refusal_event(cast("Client", server), refused, run)
    await record_refusal_event(cast("Client", server), refused, run | {"status": status_of(SNAPSHOT, refused)})
    assert [(event["reason"], event["type"]) for event in server.events] == [("EndRefused", "Warning")]
    assert WORDS in server.events[0]["message"]


def test_a_condition_heals_and_is_not_made_without_need() -> None:
    """The condition is True once every write is accepted; a Run that was never refused anything has none."""
    refusal = refused_writes.refusal_of(Terminate(**OF_UID), WORDS)
    before = status_of(replace(SNAPSHOT, refusals=(refusal,)))
    healed = {c["type"]: (c["status"], c["reason"]) for c in status_of(SNAPSHOT, before)["conditions"]}
    assert healed["WritesAccepted"] == ("True", "Accepted")
    assert "WritesAccepted" not in {c["type"] for c in status_of(SNAPSHOT)["conditions"]}


async def test_a_refused_status_is_an_event_and_a_metric() -> None:
    """The status cannot show its own refusal; a status that fails for a time is not reported so."""
    server, metrics = Refusing(forbidden()), Metrics()
    refusals = UnrecordedRefusals(cast("Client", server), metrics)
    await refusals.record_status(RunKey("ns", "demo", "run-1"), Unavailable("x", 503, "", "busy"))
    assert server.events == []
    await refusals.record_status(RunKey("ns", "demo", "run-1"), forbidden())
    assert [event["reason"] for event in server.events] == ["StatusRefused"]
    assert metrics.registry.get_sample_value("runwatchman_writes_refused_total", {"step": "save"}) == 1


async def test_a_pod_left_by_a_deleted_run_has_the_event() -> None:
    """The refused release of a pod whose Run is gone is shown on the pod itself."""
    server = Refusing(forbidden())
    after = await perform(tools(server), replace(SNAPSHOT, run=replace(RUN, gone=True)), RemoveFinalizer(**OF_UID))
    await UnrecordedRefusals(cast("Client", server), Metrics()).record_release(after)
    (event,) = server.events
    about = event["involvedObject"]
    assert (about["kind"], about["name"], about["uid"], event["reason"]) == ("Pod", "demo-coder-r0", "u0", "ReleaseRefused")


def status_of(snapshot: Snapshot, before: JsonObject | None = None) -> JsonObject:
    """Return the status of a snapshot's Run after one with the status before."""
    plan = Plan("supervised", Verdict(phase=Phase.RUNNING, reason=Reason.SUPERVISING))
    return build_status(snapshot, plan, (), before or {}, NOON)
