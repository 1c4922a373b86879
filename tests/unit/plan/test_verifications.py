"""The ends of verifications: which complete an agent, fail its attempt, are tried again, or are asked about."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from controller.api.base import JsonObject
from controller.api.escalation import Decision
from controller.api.operator_state import AgentState, OutcomeResult
from controller.api.phases import Phase
from controller.api.policy import OnRepeatedFailures, OutcomeAction, OutcomeRule, RepeatedFailures, RunPolicySpec
from controller.api.tasks import TaskKind, TaskState
from controller.api.verification import VerificationResult, VerificationState
from controller.plan import plan
from controller.plan.actions import CreateEscalation, RecordTask, ReserveAttempt, RetryTask, StopRun, Terminate
from controller.plan.context import PlanContext
from controller.plan.intents import Charge
from controller.plan.reasons import Reason
from controller.plan.snapshot import Termination
from controller.plan.snapshot_reader import read_snapshot
from controller.plan.tasks.task_records import TASK_FAULT_LIMIT
from controller.plan.transitions import apply
from tests.unit.plan.stories import NOW
from tests.unit.plan.task_situations import (
    DONE,
    EARLIER,
    SOURCE,
    TREE,
    agent_of,
    agents_pod,
    done,
    ended,
    reason_of,
    recorded,
    situation,
    started,
    steps,
    task_pod,
    with_answer,
)


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
