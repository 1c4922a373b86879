"""The lean start of a first attempt: which pods are its own before a state names them, and what needs a save or a read first."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from controller.api.names import FINALIZER_OUTCOME, RunKey
from controller.api.operator_state import AgentState, OperatorState, Outcome, OutcomeResult, StopDecision
from controller.api.phases import Phase
from controller.api.policy import RunPolicySpec
from controller.api.resolved_policy import ResolvedPolicy
from controller.api.run import Agent, DesiredState, RunSpec
from controller.plan.actions import AdoptPod, CreatePod, RemoveFinalizer, ReserveAttempt, Terminate, Ungate
from controller.plan.attempts.lean_start import adopted, started_pods
from controller.plan.context import PlanContext
from controller.plan.model import Plan, Verdict
from controller.plan.planner import plan
from controller.plan.reads import expected_pod_names
from controller.plan.reasons import Reason
from controller.plan.snapshot import PodFacts, RunFacts, Snapshot
from controller.plan.steps import Act, Create, Save, next_step, saves_first, starts_pod
from controller.reconcile.unsaved_starts import UnsavedStarts

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
CREATED = NOW - timedelta(seconds=5)
RUN = RunFacts("ns", "demo", "run-1", 1, RunSpec(agents=(Agent(name="coder", image="x"),)))
POD = PodFacts("demo-coder-r0", "u0", "coder", 0, "run-1", created_at=CREATED, finalizers=(FINALIZER_OUTCOME,))
POLICY = ResolvedPolicy.of("default", RunPolicySpec())
DONE = Outcome(attempt=0, result=OutcomeResult.COMPLETED, reason="Completed")
STOPPING = StopDecision(phase=Phase.STOPPED, reason="StopRequested", at=NOW)
FINISHED = STOPPING.model_copy(update={"completed_at": NOW})
CODER: dict[str, Any] = {"reason": Reason.STARTING, "agent": "coder", "attempt": 0, "pod": POD.name}
CREATE, UNGATE, ADOPT = CreatePod(**CODER), Ungate(**CODER, pod_uid="u0"), AdoptPod(**CODER, pod_uid="u0")
END, RELEASE = Terminate(**CODER, pod_uid="u0"), RemoveFinalizer(**CODER, pod_uid="u0")


def named(snapshot: Snapshot) -> Snapshot:
    return adopted(snapshot, started_pods(snapshot, NOW), NOW)


def state(stop: StopDecision | None = None, **agent: Any) -> OperatorState:
    return OperatorState(run_uid="run-1", agents={"coder": AgentState(**agent)} if agent else {}, stop=stop)


@pytest.mark.parametrize(
    ("saved", "pod", "run", "uid"),
    [
        (None, POD, RUN, "u0"),
        (state(), POD, RUN, "u0"),
        (None, replace(POD, deleting=True), RUN, "u0"),
        (state(stop=STOPPING), POD, RUN, "u0"),
        (None, replace(POD, gated=True), RUN, ""),
        (None, replace(POD, run_uid="run-2"), RUN, ""),
        (None, replace(POD, name="demo-coder-r1", attempt=1), RUN, ""),
        (state(pod_uid="u1"), POD, RUN, "u1"),
        (state(attempt=1), POD, RUN, ""),
        (state(attempt=1), replace(POD, name="demo-coder-r1", attempt=1), RUN, ""),
        (state(outcome=DONE), POD, RUN, ""),
        (state(stop=FINISHED), POD, RUN, ""),
        (None, POD, replace(RUN, gone=True), ""),
        (None, POD, replace(RUN, spec=None), ""),
    ],
    ids=[
        "started",
        "beside other changes",
        "deleted since",
        "under a stop",
        "gated",
        "of another Run",
        "of a later attempt",
        "another is named",
        "a former attempt's",
        "a restart's",
        "over",
        "of a finished Run",
        "of a deleted Run",
        "of an unreadable Run",
    ],
)
def test_a_started_pod_is_its_attempts(saved: OperatorState | None, pod: PodFacts, run: RunFacts, uid: str) -> None:
    """An ungated pod of the first attempt is named in memory, at the time of its creation, while no state names one."""
    seen = named(Snapshot(run, state=saved, pods=(pod,)))
    assert PlanContext(seen, NOW).agent_state("coder").pod_uid == uid
    if seen.state and saved is None:
        assert seen.state.started_at == CREATED


@pytest.mark.parametrize("before", [None, NOW - timedelta(days=1)])
def test_a_restart_that_is_asked_for_later_is_done(before: datetime | None) -> None:
    """Only the request that the pod was created with is fulfilled by it: whatever its time, another one restarts it."""
    spec = RunSpec(agents=(Agent(name="coder", image="x"),), restarted_at={"coder": NOW - timedelta(days=365)})
    seen = named(Snapshot(replace(RUN, spec=spec), POLICY, pods=(replace(POD, restarted_at=before),)))
    assert PlanContext(seen, NOW).agent_state("coder").restarted_at == before
    assert [type(action) for action in plan(seen, NOW).actions] == [ReserveAttempt]


@pytest.mark.parametrize(
    ("actions", "dirty", "adopting", "expected"),
    [
        ((CREATE,), False, False, Create((CREATE,))),
        ((UNGATE,), False, False, Act((UNGATE,))),
        ((UNGATE,), False, True, Act((UNGATE,))),
        ((UNGATE,), True, False, Save()),
        ((UNGATE, END), False, True, Save()),
        ((END,), False, True, Save()),
        ((RELEASE,), False, True, Save()),
        ((RELEASE,), False, False, Act((RELEASE,))),
    ],
)
def test_only_a_start_precedes_the_save_of_a_started_pod(
    actions: tuple[Any, ...], dirty: bool, adopting: bool, expected: object
) -> None:
    """Any other effect waits for the save that names the pod."""
    decision = Plan("supervised", Verdict(Phase.RUNNING, Reason.SUPERVISING, actions=actions), ())
    assert next_step(decision, dirty=dirty, adopting=adopting) == expected


def test_the_first_attempt_is_started_unnamed_and_a_restart_is_not() -> None:
    """The gated pod of a first attempt is started after a proof; that of a restart is named and saved before."""
    for saved, attempt, step in ((None, 0, Ungate), (state(attempt=1, last_outcome="Crashed"), 1, AdoptPod)):
        pod = replace(POD, name=f"demo-coder-r{attempt}", attempt=attempt, gated=True)
        decision = plan(Snapshot(RUN, POLICY, state=saved, pods=(pod,)), NOW)
        assert [type(action) for action in decision.actions] == [step]
        due = next_step(decision, dirty=False)
        assert due
        assert starts_pod(due) is (step is Ungate)
        assert saves_first(decision) is (step is AdoptPod)


@pytest.mark.parametrize(
    ("saved", "desired", "names"),
    [
        (None, DesiredState.RUNNING, set()),
        (None, DesiredState.STOPPED, {"demo-coder-r0"}),
        (None, DesiredState.PAUSED, {"demo-coder-r0"}),
        (state(), DesiredState.RUNNING, {"demo-coder-r0"}),
        (state(attempt=1), DesiredState.RUNNING, {"demo-coder-r0", "demo-coder-r1"}),
    ],
)
def test_an_unnamed_first_pod_is_read_unless_only_its_creation_can_follow(
    saved: OperatorState | None, desired: DesiredState, names: set[str]
) -> None:
    """What ends a Run looks for its first pods, although no cache has them; what starts one finds them by creating them."""
    spec = RunSpec(agents=(Agent(name="coder", image="x"),), desired_state=desired)
    assert expected_pod_names(Snapshot(replace(RUN, spec=spec), state=saved)) == names


def test_a_pod_that_was_seen_started_is_remembered_until_a_state_names_it() -> None:
    """The memory of one process covers a pod whose finalizer was stripped, and nothing longer than needed."""
    starts, empty = UnsavedStarts(lambda: NOW), Snapshot(RUN)
    assert starts.adopt(empty) is empty
    starts.adopt(replace(empty, pods=(POD,)))
    assert PlanContext(starts.adopt(empty), NOW).agent_state("coder").pod_uid == "u0"
    moved_on = replace(empty, state=state(attempt=1))
    assert starts.adopt(moved_on) is moved_on
    assert starts.adopt(empty) is empty
    starts.adopt(replace(empty, pods=(POD,)))
    starts.forget(RunKey("ns", "demo", "run-1"))
    assert starts.adopt(empty) is empty
