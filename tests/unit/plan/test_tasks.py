"""The tasks that follow an agent's completed attempt: how their pods start, what their ends lead to, what a human is asked."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from controller.api.base import JsonObject
from controller.api.escalation import Decision, EscalationPhase
from controller.api.names import FINALIZER_OUTCOME, named_task, pod_name, task_pod_name
from controller.api.operator_state import AgentState, OperatorState, Outcome, OutcomeResult
from controller.api.phases import Health, Phase
from controller.api.policy import OnRepeatedFailures, OutcomeAction, OutcomeRule, RepeatedFailures, RunPolicySpec
from controller.api.resolved_policy import ResolvedPolicy
from controller.api.tasks import TaskKind, TaskState
from controller.api.verification import VerificationResult, VerificationState
from controller.facts.pods import pod_facts
from controller.plan import Plan, plan
from controller.plan.actions import (
    Action,
    AdoptTask,
    CreateEscalation,
    CreateTask,
    RecordTask,
    ReserveAttempt,
    RetryTask,
    StopRun,
    Terminate,
    Transition,
    Ungate,
)
from controller.plan.context import PlanContext
from controller.plan.intents import Charge
from controller.plan.reads import expected_pod_names
from controller.plan.reasons import Reason
from controller.plan.snapshot import EscalationFacts, PodFacts, Snapshot, Termination
from controller.plan.snapshot_reader import read_snapshot
from controller.plan.tasks.task_records import TASK_FAULT_LIMIT
from controller.plan.transitions import apply
from controller.status.status import build_status
from tests.builders import a_pod
from tests.unit.plan.stories import NOW

VERIFY = {"command": ["pytest", "-q"], "timeoutSeconds": 60}
PUBLISH = {"git": {"branch": "agents/{run}-{agent}"}}
SOURCE = {"source": {"git": {"url": "https://git.example/team/project.git"}}}
TREE, COMMIT = "a" * 40, "c" * 40
EARLIER = NOW - timedelta(minutes=10)
DONE = Outcome(attempt=0, result=OutcomeResult.COMPLETED, reason="NoResultReported", exit_code=0, finished_at=EARLIER)


def situation(state: AgentState, *pods: PodFacts, policy: RunPolicySpec | None = None, **agent: Any) -> Snapshot:
    """Return a Run whose agent's attempt has ended; its spec has `verify` unless it is given."""
    spec = {"name": "coder", "image": "x", "workspace": {}, **({"verify": VERIFY} | agent)}
    document = {"now": NOW.isoformat(), "run": {"name": "demo", "uid": "run-1", "spec": {"agents": [spec]}}}
    snapshot, _ = read_snapshot(document)
    assert snapshot.run.violations == ()
    saved = OperatorState(run_uid="run-1", started_at=EARLIER, agents={"coder": state})
    resolved = ResolvedPolicy.of("default", policy or RunPolicySpec(restart_cooldown_seconds=0))
    return replace(snapshot, state=saved, pods=(agents_pod(state.attempt), *pods), policy=resolved)


def agents_pod(attempt: int = 0) -> PodFacts:
    """Return the pod of an attempt that has ended well."""
    end = Termination(0, "Completed", finished_at=EARLIER)
    return PodFacts(
        pod_name("demo", "coder", attempt), f"c{attempt}", "coder", attempt, "run-1", "Succeeded", bound=True, termination=end
    )


def task_pod(number: int = 0, kind: TaskKind = TaskKind.VERIFY, attempt: int = 0, **facts: Any) -> PodFacts:
    """Return the pod of a try of a task, which runs unless its facts say otherwise."""
    name = task_pod_name("demo", "coder", attempt, kind, number)
    running: JsonObject = {"phase": "Running", "bound": True, "ready": True, "started_at": NOW, "finalizers": (FINALIZER_OUTCOME,)}
    known = {"task": kind.lower(), "task_number": number}
    return PodFacts(name, f"t{number}", "coder", attempt, "run-1", **(running | known | facts))


def ended(exit_code: int, *, attempt: int = 0, kind: TaskKind = TaskKind.VERIFY, **facts: Any) -> PodFacts:
    """Return the pod of a first try after its container has ended by itself."""
    end = Termination(exit_code, "Error" if exit_code else "Completed", started_at=EARLIER, finished_at=EARLIER)
    whole = {"phase": "Failed" if exit_code else "Succeeded", "termination": end, "started_at": None, "ready": False}
    return task_pod(kind=kind, attempt=attempt, **(whole | facts))


def done(task: TaskState | None = None, attempt: int = 0, **state: Any) -> AgentState:
    """Return the state of an agent whose attempt is recorded as complete."""
    outcome = DONE.model_copy(update={"attempt": attempt})
    known: JsonObject = {"attempt": attempt, "pod_uid": f"c{attempt}", "outcome": outcome, "task": task}
    return AgentState(**(known | state))


def started(kind: TaskKind = TaskKind.VERIFY, number: int = 0, **task: Any) -> TaskState:
    """Return a task whose pod is named."""
    return TaskState(kind=kind, number=number, pod_uid=f"t{number}", **task)


def steps(snapshot: Snapshot) -> list[type[Action]]:
    """Return the kinds of the due actions."""
    return [type(action) for action in plan(snapshot, NOW).actions]


def recorded(snapshot: Snapshot) -> Snapshot:
    """Return the situation after every due change of the state."""
    for _ in range(4):
        changes = [action for action in plan(snapshot, NOW).actions if isinstance(action, Transition)]
        for action in changes:
            snapshot = replace(snapshot, state=apply(snapshot, action, NOW))
    return snapshot


def agent_of(snapshot: Snapshot) -> AgentState:
    assert snapshot.state
    return snapshot.state.agents["coder"]


def reason_of(decision: Plan) -> tuple[Phase, Reason]:
    return decision.verdict.phase, decision.verdict.reason


# --- the fence ---


def test_a_try_is_created_adopted_started_and_awaited() -> None:
    """Each step follows from the state and the cluster alone; the gate goes only after the UID is in the state."""
    gated = task_pod(phase="Pending", bound=False, gated=True, started_at=None, ready=False)
    created = plan(situation(done()), NOW)
    assert [(type(action), action.pod) for action in created.actions if isinstance(action, CreateTask)] == [
        (CreateTask, "demo-coder-r0-verify0")
    ]
    assert reason_of(created)[0] is Phase.RUNNING
    assert steps(situation(done(), gated)) == [AdoptTask]
    adopted = situation(done(), gated)
    adopted = replace(adopted, state=apply(adopted, next(iter(plan(adopted, NOW).actions)), NOW))  # type: ignore[arg-type]  # it is AdoptTask
    assert agent_of(adopted).task == started()
    (ungate,) = plan(adopted, NOW).actions
    assert isinstance(ungate, Ungate)
    assert (ungate.pod, ungate.pod_uid) == ("demo-coder-r0-verify0", "t0")
    running = plan(situation(done(started()), task_pod()), NOW)
    assert (running.actions, reason_of(running)) == ((), (Phase.RUNNING, Reason.VERIFYING))
    assert running.verdict.next_check == NOW + timedelta(seconds=60)
    assert [(view.health, view.reason) for view in running.agents] == [(Health.HEALTHY, Reason.VERIFYING)]


def test_a_pod_without_its_gate_that_no_state_names_is_left_alone() -> None:
    """Somebody else has removed the gate, or a newer state names it: a human is asked, and nothing is started beside it."""
    found = plan(situation(done(), task_pod()), NOW)
    assert {type(action) for action in found.actions} <= {CreateEscalation}
    assert found.verdict.reason is Reason.STATE_REFUSED


@pytest.mark.parametrize(
    "other",
    [
        replace(agents_pod(1), phase="Running", termination=None),
        replace(task_pod(1), uid="t1"),
    ],
    ids=["a pod of another attempt", "the pod of another try"],
)
def test_no_try_is_created_beside_another_live_pod(other: PodFacts) -> None:
    """The agent has one live pod at a time, whichever it is."""
    found = plan(situation(done(), other), NOW)
    assert not any(isinstance(action, CreateTask | AdoptTask) for action in found.actions)
    assert found.verdict.reason is Reason.PREDECESSOR_ENDING


def test_the_rest_of_the_agents_pod_is_ended_first() -> None:
    """A helper beside the agent runs on; the workspace is copied only after it has ended."""
    beside = replace(agents_pod(), phase="Running")
    snapshot = situation(done())
    assert steps(replace(snapshot, pods=(beside,))) == [Terminate]


def test_without_a_policy_nothing_new_starts() -> None:
    """A try that is named still gets its start; a new one waits for the policy."""
    snapshot = replace(situation(done()), policy=None, policy_refusal="RunPolicy default cannot be read")
    assert plan(snapshot, NOW).actions == ()


def test_a_dry_run_creates_no_task() -> None:
    """The creation is only shown."""
    decision = plan(situation(done(), policy=RunPolicySpec(dry_run=True)), NOW)
    assert decision.actions == ()
    assert [type(action) for action in decision.withheld] == [CreateTask]


def test_live_reads_include_the_pod_of_the_due_task() -> None:
    """A cache may lack it: the pod of the named try, or of the first one."""
    assert expected_pod_names(situation(done())) == {"demo-coder-r0", "demo-coder-r0-verify0"}
    assert expected_pod_names(situation(done(started(number=3)))) == {"demo-coder-r0", "demo-coder-r0-verify3"}
    assert expected_pod_names(situation(done(), verify=None)) == {"demo-coder-r0"}


def test_an_agent_without_tasks_completes_as_before() -> None:
    """Nothing changes for a spec without verify and publish."""
    assert plan(situation(done(), verify=None), NOW).rule == "completed"


# --- the ends of a verification ---


def test_exit_0_completes_the_agent() -> None:
    """The pod's end is recorded first, with the tree that was verified."""
    snapshot = situation(done(started()), ended(0, task_tree=TREE))
    assert steps(snapshot) == [RecordTask]
    after = recorded(snapshot)
    assert agent_of(after).verification == VerificationState(attempt=0, result=VerificationResult.PASSED, exit_code=0, tree=TREE)
    assert after.state
    assert after.state.stop
    assert after.state.stop.phase is Phase.COMPLETED


def test_a_copy_that_does_not_say_its_tree_verifies_nothing() -> None:
    """With a source the tree is what is published later, so a verification without one does not count."""
    after = recorded(situation(done(started()), ended(0), workspace=SOURCE))
    assert agent_of(after).verification is None
    assert agent_of(after).task == TaskState(
        kind=TaskKind.VERIFY,
        number=1,
        faults=1,
        retry_at=NOW + timedelta(seconds=10),
        message="container runwatchman-copy did not say which tree it has copied",
    )


def test_another_exit_code_fails_the_attempt() -> None:
    """The attempt's own end becomes VerificationFailed, and the restart is charged like any other."""
    snapshot = situation(done(started()), ended(3, task_words="collected 2 items\nE  assert 3 == 4\n"))
    after = replace(snapshot, state=apply(snapshot, plan(snapshot, NOW).actions[0], NOW))  # type: ignore[arg-type]  # it is RecordTask
    state = agent_of(after)
    assert state.outcome
    assert (state.outcome.result, state.outcome.reason) == (OutcomeResult.FAILED, Reason.VERIFICATION_FAILED)
    assert state.outcome.message == "exit code 3: collected 2 items\nE  assert 3 == 4"
    assert state.outcome.exit_code is None
    assert state.task is None
    assert state.verification
    assert (state.verification.result, state.verification.exit_code, state.verification.repeated) == ("Failed", 3, 0)
    (restart,) = plan(after, NOW).actions
    assert isinstance(restart, ReserveAttempt)
    assert (restart.reason, restart.charge, restart.attempt) == (Reason.VERIFICATION_FAILED, Charge.BUDGET, 1)
    assert agent_of(recorded(after)).verification == state.verification


def test_the_same_failure_twice_asks_a_human() -> None:
    """The second attempt fails as the first did: no charge, but an escalation with the output; Retry gives one more attempt."""
    first = recorded(situation(done(started()), ended(1, task_words="1 failed in 0.1s")))
    known = agent_of(first).verification
    snapshot = situation(
        done(started(), attempt=1, verification=known, restarts=1), ended(1, attempt=1, task_words="1 failed in 3.7s")
    )
    after = recorded(snapshot)
    assert agent_of(after).restarts == 1
    decision = plan(after, NOW)
    assert reason_of(decision) == (Phase.BLOCKED, Reason.VERIFICATION_REPEATED)
    (asked,) = decision.actions
    assert isinstance(asked, CreateEscalation)
    assert "1 failed in 3.7s" in asked.inquiry.text
    answered = recorded(with_answer(after, asked, Decision.RETRY))
    assert (agent_of(answered).attempt, agent_of(answered).restarts) == (2, 1)


@pytest.mark.parametrize(
    ("words", "ends"),
    [("1 failed in 3.7s", True), ("2 errors in 3.7s", False)],
    ids=["the same output", "another output"],
)
def test_repeated_failures_of_a_verification_may_fail_the_run(*, words: str, ends: bool) -> None:
    """The policy's repeatedFailures counts a failed verification by its output, and its Fail comes before the question."""
    limit = RepeatedFailures(count=2, action=OnRepeatedFailures.FAIL)
    policy = RunPolicySpec(restart_cooldown_seconds=0, repeated_failures=limit)
    first = agent_of(recorded(situation(done(started()), ended(1, task_words="1 failed in 0.1s"), policy=policy)))
    known: JsonObject = {"verification": first.verification, "last_failure": first.last_failure, "restarts": 1}
    second = situation(done(started(), attempt=1, **known), ended(1, attempt=1, task_words=words), policy=policy)
    after = recorded(second)
    assert after.state
    assert (after.state.stop.reason if after.state.stop else None) == (Reason.REPEATED_FAILURES if ends else None)


def test_another_failure_is_restarted() -> None:
    """An agent that makes progress fails differently, and has its budget."""
    known = agent_of(recorded(situation(done(started()), ended(1, task_words="test_a failed")))).verification
    second = situation(done(started(), attempt=1, verification=known), ended(1, attempt=1, task_words="test_b failed"))
    assert agent_of(recorded(second)).attempt == 2


def with_answer(snapshot: Snapshot, asked: CreateEscalation, decision: Decision) -> Snapshot:
    """Return the situation after the escalation exists, the state has it, and a human has answered it."""
    found = EscalationFacts(
        asked.escalation, "e", "run-1", "coder", asked.attempt, EscalationPhase.OPEN, expires_at=asked.inquiry.expires_at
    )
    blocked = recorded(replace(snapshot, escalations=(found,)))
    assert agent_of(blocked).blocked
    return replace(blocked, escalations=(replace(found, decision=decision, phase=EscalationPhase.ANSWERED),))


@pytest.mark.parametrize(
    ("action", "rule"),
    [(OutcomeAction.FAIL, "outcome_fatal"), (OutcomeAction.ESCALATE, "supervised"), (OutcomeAction.COMPLETE, "supervised")],
)
def test_the_policy_may_decide_otherwise(action: OutcomeAction, rule: str) -> None:
    """Fail and Escalate apply to a failed verification, too; Complete does not: nobody has verified the work."""
    policy = RunPolicySpec(restart_cooldown_seconds=0, outcomes=(OutcomeRule(reasons=("VerificationFailed",), action=action),))
    snapshot = situation(done(started()), ended(1), policy=policy)
    after = replace(snapshot, state=apply(snapshot, plan(snapshot, NOW).actions[0], NOW))  # type: ignore[arg-type]  # it is RecordTask
    assert plan(after, NOW).rule == rule
    assert not PlanContext(after, NOW).completed("coder")


def test_a_rule_by_exit_code_is_about_the_agent() -> None:
    """An exit code of the verification matches no rule that was written for the agent's."""
    policy = RunPolicySpec(restart_cooldown_seconds=0, outcomes=(OutcomeRule(exit_codes=(2,), action=OutcomeAction.FAIL),))
    assert agent_of(recorded(situation(done(started()), ended(2), policy=policy))).attempt == 1


def test_its_time_is_limited() -> None:
    """A verification that runs for too long is ended like any pod, and that is a failure of the work."""
    late = task_pod(started_at=NOW - timedelta(seconds=60))
    (end,) = plan(situation(done(started()), late), NOW).actions
    assert isinstance(end, Terminate)
    assert end.reason is Reason.TASK_TIMED_OUT
    killed = Termination(143, "Error", started_at=NOW - timedelta(seconds=61), finished_at=NOW)
    over = ended(143, termination=killed, ending_since=NOW, task_words="waiting for the database\n")
    state = agent_of(recorded(situation(done(started()), over)))
    assert state.verification
    assert state.verification.exit_code is None
    assert state.verification.message == "waiting for the database\nit took longer than 60 s (timeoutSeconds)"
    assert state.last_outcome == Reason.VERIFICATION_FAILED


FAULTS: dict[str, JsonObject] = {
    "evicted": {"reason": "Evicted", "termination": None},
    "drained": {"disrupted_at": EARLIER, "deleting": True, "deleted_at": EARLIER, "termination": None},
    "deleted": {"deleting": True, "deleted_at": EARLIER, "termination": None},
    "rejected": {"rejected": True, "reason": "OutOfcpu", "termination": None},
    "not started": {"termination": Termination(128, "StartError", finished_at=EARLIER)},
    "unknown": {"termination": Termination(137, "ContainerStatusUnknown")},
    "copy failed": {"termination": None, "init_termination": Termination(75, "Error", container="runwatchman-copy")},
    "without its container": {"termination": None, "without_agent": True},
}


@pytest.mark.parametrize("facts", FAULTS.values(), ids=list(FAULTS))
def test_nobodys_fault_is_another_try(facts: JsonObject) -> None:
    """It is not charged, and the next try waits for a delay that grows."""
    snapshot = situation(done(started(number=0, faults=2)), ended(1, **facts))
    state = agent_of(recorded(snapshot))
    assert state.task
    assert (state.attempt, state.task.number, state.task.faults, state.task.pod_uid) == (0, 1, 3, "")
    assert state.task.retry_at == NOW + timedelta(seconds=40)
    assert state.verification is None


def test_a_workspace_that_cannot_be_copied_asks_at_once() -> None:
    """The agent's repository lacks the commit that was cloned, or the disk of the node is full: another copy fails alike."""
    copy = Termination(78, "Error", "fatal: bad object", container="runwatchman-copy")
    after = recorded(situation(done(started()), ended(1, termination=None, init_termination=copy)))
    decision = plan(after, NOW)
    assert reason_of(decision) == (Phase.BLOCKED, Reason.VERIFICATION_UNAVAILABLE)
    assert "is not verified: the copy of the workspace failed: exit code 78: fatal: bad object" in decision.verdict.message


def test_a_pod_that_is_gone_is_another_try() -> None:
    """Somebody stripped its finalizer and deleted it by force."""
    state = agent_of(recorded(situation(done(started()))))
    assert state.task
    assert (state.task.number, state.task.faults) == (1, 1)
    waiting = plan(situation(state), NOW)
    assert (waiting.actions, waiting.verdict.next_check) == ((), state.task.retry_at)


def test_a_human_is_asked_after_too_many_faults() -> None:
    """Retry gives tries again; the agent gets no other attempt."""
    snapshot = situation(done(started(number=4, faults=TASK_FAULT_LIMIT - 1)))
    after = recorded(snapshot)
    decision = plan(after, NOW)
    assert reason_of(decision) == (Phase.BLOCKED, Reason.VERIFICATION_UNAVAILABLE)
    (asked,) = decision.actions
    assert isinstance(asked, CreateEscalation)
    answered = with_answer(after, asked, Decision.RETRY)
    assert steps(answered)[0] is RetryTask
    state = agent_of(recorded(answered))
    assert state.task
    assert (state.attempt, state.blocked, state.task.number, state.task.faults, state.task.failure) == (0, None, 5, 0, "")


def test_a_restart_that_is_asked_for_replaces_a_held_task() -> None:
    """While a try is at work the request waits; a task that waits for a human gives way."""
    held = done(TaskState(kind=TaskKind.VERIFY, number=5, faults=5, failure="VerificationUnavailable"))
    snapshot = situation(held)
    assert snapshot.run.spec
    spec = snapshot.run.spec.model_copy(update={"restarted_at": {"coder": NOW}})
    asked = replace(snapshot, run=replace(snapshot.run, spec=spec))
    assert steps(asked) == [ReserveAttempt]
    after = agent_of(recorded(asked))
    assert (after.attempt, after.task, after.outcome, after.last_outcome) == (1, None, None, "RestartRequested")
    at_work = replace(asked, state=situation(done(started())).state, pods=(agents_pod(), task_pod()))
    assert steps(at_work) == []


def test_a_pause_ends_the_try_and_costs_nothing() -> None:
    """The pod is ended, the end is recorded as interrupted, and the next try follows after the pause."""
    snapshot = situation(done(started()), task_pod())
    assert snapshot.run.spec
    assert snapshot.state
    spec = snapshot.run.spec.model_copy(update={"desired_state": "Paused"})
    paused = replace(snapshot, run=replace(snapshot.run, spec=spec), state=snapshot.state.model_copy(update={"paused_at": NOW}))
    assert steps(paused) == [Terminate]
    killed = Termination(143, "Error", started_at=NOW - timedelta(seconds=30), finished_at=NOW)
    over = replace(paused, pods=(agents_pod(), ended(143, termination=killed, ending_since=NOW - timedelta(seconds=1))))
    state = agent_of(recorded(over))
    assert state.task == TaskState(kind=TaskKind.VERIFY, number=1, message="it was ended by a pause or a stop")


def test_a_pod_that_does_not_start_is_escalated() -> None:
    """Another try would not help: a human is asked with the kubelet's words, and the task goes on once the pod starts."""
    old = NOW - timedelta(hours=2)
    stuck = task_pod(
        phase="Pending",
        ready=False,
        started_at=None,
        scheduled_at=old,
        waiting_reason="ImagePullBackOff",
        waiting_message="no such image",
    )
    decision = plan(situation(done(started()), stuck), NOW)
    assert reason_of(decision) == (Phase.BLOCKED, Reason.PENDING_STALLED)
    assert "ImagePullBackOff: no such image" in decision.verdict.message
    assert reason_of(plan(situation(done(started()), task_pod()), NOW)) == (Phase.RUNNING, Reason.VERIFYING)


def test_a_pod_on_a_lost_node_may_still_run() -> None:
    """No other try begins beside it, and a human is asked."""
    lost = task_pod(ready=False, node="n1", node_lost_since=NOW - timedelta(hours=1), started_at=NOW - timedelta(hours=1))
    decision = plan(situation(done(started()), lost), NOW)
    assert reason_of(decision) == (Phase.BLOCKED, Reason.UNREACHABLE)
    assert {type(action) for action in decision.actions} == {CreateEscalation}


def test_an_injected_container_is_ended_with_the_task() -> None:
    """The judged container has ended and an injected one runs on: the pod is ended after its grace period, then recorded."""
    end = Termination(0, "Completed", started_at=EARLIER, finished_at=EARLIER)
    beside = task_pod(termination=end, started_at=None)
    (action,) = plan(situation(done(started()), beside), NOW).actions
    assert isinstance(action, Terminate)
    assert action.reason is Reason.TASK_ENDED
    over = replace(beside, phase="Failed", ending_since=NOW)
    verification = agent_of(recorded(situation(done(started()), over))).verification
    assert verification
    assert verification.result is VerificationResult.PASSED


def test_another_policy_may_end_a_task() -> None:
    """The attempt was complete by a rule of a policy that is gone: its try is ended, and the agent is restarted after that."""
    three = DONE.model_copy(update={"result": OutcomeResult.FAILED, "reason": "NonZeroExit", "exit_code": 3})
    snapshot = situation(done(started(), outcome=three), task_pod())
    (action,) = plan(snapshot, NOW).actions
    assert isinstance(action, Terminate)
    assert action.reason is Reason.TASK_NOT_DUE
    over = ended(143, ending_since=NOW, termination=Termination(143, "Error", started_at=NOW, finished_at=NOW))
    assert agent_of(recorded(replace(snapshot, pods=(agents_pod(), over)))).attempt == 1


def test_its_end_is_recorded_before_a_stop_goes_on() -> None:
    """A verification that ended well before it was asked to end counts, even if the Run stops."""
    snapshot = situation(done(started()), ended(0, ending_since=NOW))
    stop = StopRun(intent="stop", reason=Reason.STOP_REQUESTED, phase=Phase.STOPPED, message="")  # type: ignore[arg-type]  # any intent
    stopped = replace(snapshot, state=apply(snapshot, stop, NOW))
    verification = agent_of(recorded(stopped)).verification
    assert verification
    assert verification.result is VerificationResult.PASSED


def test_the_agents_report_does_not_overrule_a_failed_verification() -> None:
    """A reporter's last words may arrive after the verdict; the work was judged by somebody else."""
    failed = DONE.model_copy(update={"result": OutcomeResult.FAILED, "reason": Reason.VERIFICATION_FAILED.value})
    state = done(outcome=failed, verification=VerificationState(attempt=0, result=VerificationResult.FAILED))
    snapshot = situation(state)
    report: JsonObject = {
        "agent": "coder",
        "attempt": 0,
        "podUid": "c0",
        "seq": 9,
        "intervalSeconds": 60,
        "activeAt": NOW.isoformat(),
        "reportedAt": NOW.isoformat(),
        "result": {"outcome": "Completed"},
    }
    document = {"now": NOW.isoformat(), "run": {"name": "demo", "uid": "run-1"}, "reports": [report]}
    assert plan(replace(snapshot, reports=read_snapshot(document)[0].reports), NOW).rule != "recorded"


def test_time_proves_no_health_after_a_failed_verification() -> None:
    """Charges return after sustained health. An agent that works for long and is never verified would cost no budget."""
    policy = RunPolicySpec(restart_cooldown_seconds=0, restart_budget_reset_seconds=60)
    long = replace(agents_pod(1), phase="Running", started_at=EARLIER, termination=None)
    state = AgentState(attempt=1, pod_uid="c1", restarts=2, last_outcome="VerificationFailed")
    snapshot = replace(situation(state, policy=policy), pods=(long,))
    crashed = Termination(1, "Error", started_at=EARLIER - timedelta(hours=1), finished_at=EARLIER)
    over = replace(snapshot, pods=(replace(agents_pod(1), termination=crashed),))
    assert agent_of(recorded(over)).restarts == 3


# --- publication ---


def publishing(task: TaskState | None, *pods: PodFacts, **agent: Any) -> Snapshot:
    """Return a Run whose agent's verified work has to be published."""
    verified = VerificationState(attempt=0, result=VerificationResult.PASSED, exit_code=0, tree=TREE)
    return situation(done(task, verification=verified), *pods, workspace=SOURCE, **({"publish": PUBLISH} | agent))


def test_only_verified_work_is_published() -> None:
    """The publication follows the verification of the same attempt."""
    (create,) = plan(publishing(None), NOW).actions
    assert isinstance(create, CreateTask)
    assert create.pod == "demo-coder-r0-publish0"
    unverified = situation(done(), workspace=SOURCE, publish=PUBLISH)
    of_another = situation(
        done(attempt=1, verification=VerificationState(attempt=0, result=VerificationResult.PASSED, tree=TREE)),
        workspace=SOURCE,
        publish=PUBLISH,
    )
    for snapshot in (unverified, of_another):
        (create,) = plan(snapshot, NOW).actions
        assert isinstance(create, CreateTask)
        assert create.kind is TaskKind.VERIFY


def test_what_was_published() -> None:
    """Branch, commit and what was left out are in the state and the status; the Run completes."""
    words = f"commit {COMMIT}\nleft-out 2: .env, build/core"
    pod = ended(0, kind=TaskKind.PUBLISH, pushed_words=words)
    after = recorded(publishing(started(TaskKind.PUBLISH), pod))
    assert after.state
    assert after.state.stop
    shown = build_status(after, plan(after, NOW), (), {}, NOW)["agents"][0]
    assert shown["published"] == {"attempt": 0, "branch": "agents/demo-coder", "commit": COMMIT, "leftOut": "2: .env, build/core"}


def test_outputs_of_the_command() -> None:
    """NAME=VALUE lines become outputs; other lines are the command's own."""
    command = {"git": {"branch": "work"}, "command": {"command": ["gh", "pr", "create"]}}
    words = "Creating pull request\nPR_URL=https://git.example/team/project/pull/7\n"
    pod = ended(0, kind=TaskKind.PUBLISH, pushed_words=f"commit {COMMIT}", task_words=words)
    after = agent_of(recorded(publishing(started(TaskKind.PUBLISH), pod, publish=command)))
    assert after.published
    assert after.published.outputs == {"PR_URL": "https://git.example/team/project/pull/7"}


@pytest.mark.parametrize(
    ("code", "command", "facts", "reason"),
    [
        (77, False, {}, Reason.PUBLISH_REFUSED),
        (78, False, {}, Reason.PUBLISH_REFUSED),
        (1, False, {}, Reason.PUBLISH_REFUSED),
        (0, False, {"pushed_words": ""}, Reason.PUBLISH_REFUSED),
        (78, True, {"container": "runwatchman-publish"}, Reason.PUBLISH_REFUSED),
        (1, True, {}, Reason.PUBLISH_COMMAND_FAILED),
        (75, True, {}, Reason.PUBLISH_COMMAND_FAILED),
    ],
)
def test_a_refused_publication_asks_a_human(code: int, command: bool, facts: JsonObject, reason: Reason) -> None:
    """Git's words are in the escalation; Retry publishes again, without another attempt of the agent."""
    wanted = PUBLISH | ({"command": {"command": ["gh"]}} if command else {})
    pod = ended(code, kind=TaskKind.PUBLISH, task_words="remote: protected branch")
    if "container" in facts:
        pod = replace(pod, termination=None, init_termination=Termination(code, "Error", container=facts["container"]))
    after = recorded(publishing(started(TaskKind.PUBLISH), pod, publish=wanted))
    decision = plan(after, NOW)
    assert reason_of(decision) == (Phase.BLOCKED, reason)
    (asked,) = decision.actions
    assert isinstance(asked, CreateEscalation)
    assert code == 0 or f"exit code {code}: remote: protected branch" in asked.inquiry.text
    answered = recorded(with_answer(after, asked, Decision.RETRY))
    (create,) = plan(replace(answered, escalations=()), NOW).actions
    assert isinstance(create, CreateTask)
    assert (create.pod, agent_of(answered).attempt) == ("demo-coder-r0-publish1", 0)


def test_a_server_that_is_away_is_tried_again() -> None:
    """Exit code 75 of a push is nobody's fault."""
    state = agent_of(
        recorded(publishing(started(TaskKind.PUBLISH), ended(75, kind=TaskKind.PUBLISH, task_words="no route to host")))
    )
    assert state.task
    assert (state.task.faults, state.task.failure, state.task.message) == (1, "", "exit code 75: no route to host")


# --- facts and status ---


def test_the_facts_of_a_tasks_pod() -> None:
    """The container of the task's name is judged, in any order, and the end of its output is kept."""
    containers = [{"name": "proxy"}, {"name": "verify"}]
    output = "x" * 5000 + "\nE assert 3 == 4\n"
    statuses = [
        {"name": "proxy", "state": {"running": {}}},
        {"name": "verify", "state": {"terminated": {"exitCode": 1, "reason": "Error", "message": output}}},
    ]
    copied = [{"name": "runwatchman-copy", "state": {"terminated": {"exitCode": 0, "message": f"tree {TREE}\n"}}}]
    status = {"phase": "Running", "containerStatuses": statuses, "initContainerStatuses": copied}
    labels = {"runwatchman.dev/agent": "coder", "runwatchman.dev/attempt": "0", "runwatchman.dev/task": "verify"}
    pod = a_pod({"containers": containers, "restartPolicy": "Never"}, status, name="demo-coder-r0-verify12", labels=labels)
    facts = pod_facts(pod, "agent")
    assert (facts.task, facts.task_number, facts.task_tree, facts.container) == ("verify", 12, TREE, "verify")
    assert facts.termination
    assert (facts.termination.exit_code, facts.agent_ended, facts.terminated) == (1, True, False)
    assert facts.task_words == output[-4096:]


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("demo-coder-r0", None),
        ("demo-coder-r0-verify0", ("verify", 0)),
        ("demo-coder-r12-publish3", ("publish", 3)),
        ("demo-verify0-coder-r0", None),
    ],
)
def test_the_task_in_a_pods_name(name: str, task: tuple[str, int] | None) -> None:
    """Names are built once and never change; a Run's or an agent's name cannot look like a task's."""
    assert named_task(name) == task


def test_what_people_see() -> None:
    """The status has the verification that runs, and then how it ended; the condition follows it."""

    def shown(snapshot: Snapshot) -> tuple[JsonObject | None, tuple[str, str]]:
        status = build_status(snapshot, plan(snapshot, NOW), (), {}, NOW)
        condition = next(c for c in status["conditions"] if c["type"] == "Verified")
        return status["agents"][0].get("verification"), (condition["status"], condition["reason"])

    assert shown(situation(AgentState(pod_uid="c0"))) == (None, ("Unknown", "NotVerified"))
    assert shown(situation(done(started()), task_pod())) == ({"result": "Running", "attempt": 0}, ("Unknown", "Verifying"))
    after = recorded(situation(done(started()), ended(1, task_words="1 failed")))
    assert shown(after) == (
        {"result": "Failed", "attempt": 0, "exitCode": 1, "message": "1 failed"},
        ("False", "VerificationFailed"),
    )
    passed = recorded(situation(done(started()), ended(0)))
    assert shown(passed) == ({"result": "Passed", "attempt": 0, "exitCode": 0}, ("True", "AllVerified"))
    without = situation(done(), verify=None)
    assert not any(c["type"] == "Verified" for c in build_status(without, plan(without, NOW), (), {}, NOW)["conditions"])
