"""A Run whose agents name providers: it starts when they admit it, and a limit of theirs is not charged."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from controller.api.agent_report import LimitKind
from controller.api.operator_state import AgentState, OperatorState, Outcome, OutcomeResult
from controller.api.phases import Health, Phase
from controller.api.policy import OutcomeAction, OutcomeRule, RunPolicySpec
from controller.api.resolved_policy import ResolvedPolicy
from controller.api.run import Agent, DesiredState, RunSpec
from controller.plan import plan
from controller.plan.actions import CreatePod, RecordOutcome, ReserveAttempt, SuspendDeadline, Ungate
from controller.plan.attempts.budget import FREE_RESTART_LIMIT, LIMITED_RESTART_LIMIT
from controller.plan.context import PlanContext
from controller.plan.intents import Charge
from controller.plan.providers import starts
from controller.plan.reasons import Reason
from controller.plan.snapshot import HaltFacts, LimitFacts, PodFacts, ProviderFacts, ReportFacts, RunFacts, Snapshot, Termination
from controller.plan.snapshot_reader import read_snapshot
from controller.plan.snapshot_writer import write_snapshot
from controller.plan.transitions import apply
from tests.unit.plan.stories import NOW

SPEC = RunSpec(agents=(Agent(name="coder", image="x", provider="claude"), Agent(name="helper", image="x", required=False)))
RUN = RunFacts("ns", "demo", "run-1", 1, SPEC)
ADMITS = ProviderFacts("coder", "claude")
UNTIL = NOW + timedelta(hours=1)
CLOSED = replace(ADMITS, admits=False, reason=Reason.PROVIDER_CLOSED, until=UNTIL, message="provider claude is closed until 13:00")
HELPER_DONE = AgentState(pod_uid="h0", outcome=Outcome(attempt=0, result=OutcomeResult.COMPLETED, reason="ResultReported"))
LIMIT = LimitFacts(LimitKind.QUOTA, NOW - timedelta(seconds=5), UNTIL, "usage limit reached")
ENDED = PodFacts(
    *("demo-coder-r0", "u0", "coder", 0, "run-1"),
    phase="Failed", bound=True, termination=Termination(75, "Error", started_at=NOW - timedelta(minutes=1), finished_at=NOW),
)  # fmt: skip
GATED = PodFacts("demo-coder-r0", "u0", "coder", 0, "run-1", gated=True)
ALIVE = PodFacts("demo-coder-r0", "u0", "coder", 0, "run-1", phase="Running", bound=True)
REPORT = ReportFacts("coder", "run-1", 0, "u0", 1, NOW, 30, NOW, limit=LIMIT)


def situation(coder: AgentState | None = None, *pods: PodFacts, facts: ProviderFacts | None = CLOSED, **more: Any) -> Snapshot:
    """Return a snapshot in which the helper has completed, with the facts of the coder's provider."""
    state = OperatorState(run_uid="run-1", agents={"helper": HELPER_DONE} | ({"coder": coder} if coder else {}))
    known = Snapshot(run=RUN, policy=ResolvedPolicy.of("default", RunPolicySpec()), state=state, pods=pods)
    return replace(known, providers=(facts,) if facts else (), **more)


def test_an_agent_waits_for_its_closed_provider() -> None:
    """Nothing is created, the phase is Queued with the reason, and the Run is looked at when the closing ends."""
    found = plan(situation(), NOW)
    assert (found.actions, found.verdict.phase, found.verdict.reason) == ((), Phase.QUEUED, Reason.PROVIDER_CLOSED)
    assert (found.verdict.message, found.verdict.next_check) == ("agent coder: provider claude is closed until 13:00", UNTIL)
    assert found.agents[0].health is Health.QUEUED
    assert [type(action) for action in plan(situation(facts=ADMITS), NOW).actions] == [CreatePod]
    assert [type(action) for action in plan(situation(facts=None), NOW).actions] == [CreatePod]


def test_a_created_pod_is_not_started_while_the_provider_is_closed() -> None:
    """A limit between the creation and the start leaves the pod gated, with and without a saved UID. The deadline stands still."""
    for state in (AgentState(), AgentState(attempt=0, pod_uid="u0")):
        assert [type(action) for action in plan(situation(state, GATED), NOW).actions] == [SuspendDeadline]
        assert [type(action) for action in plan(situation(state, GATED, facts=ADMITS), NOW).actions] == [Ungate]


def test_a_run_with_another_agent_at_work_is_running() -> None:
    """The phase says what the Run does; the reason says what an agent waits for."""
    helper = PodFacts("demo-helper-r0", "h0", "helper", 0, "run-1", phase="Running", bound=True, ready=True, started_at=NOW)
    at = situation(None, helper)
    busy = OperatorState(run_uid="run-1", agents={"helper": AgentState(pod_uid="h0")})
    found = plan(replace(at, state=busy), NOW)
    assert (found.verdict.phase, found.verdict.reason) == (Phase.RUNNING, Reason.PROVIDER_CLOSED)


def test_a_limit_is_not_charged() -> None:
    """The attempt ends as ProviderLimited; the next is reserved at once without charge, free restart or cooldown, and waits."""
    at = situation(AgentState(pod_uid="u0", restarts=1, free_restarts=2), ENDED, reports=(REPORT,))
    [record, *_] = plan(at, NOW).actions
    assert isinstance(record, RecordOutcome)
    recorded = replace(at, state=apply(at, record, NOW))
    assert recorded.state
    outcome = recorded.state.agents["coder"].outcome
    assert outcome
    assert (outcome.reason, outcome.message) == ("ProviderLimited", "Quota: usage limit reached; exit code 75")
    [reserve] = plan(recorded, NOW).actions
    assert isinstance(reserve, ReserveAttempt)
    assert (reserve.reason, reserve.charge) == (Reason.PROVIDER_LIMITED, Charge.UNCHARGED)
    reserved = replace(recorded, state=apply(recorded, reserve, NOW))
    assert reserved.state
    coder = reserved.state.agents["coder"]
    assert (coder.attempt, coder.restarts, coder.free_restarts, coder.cooldown_until) == (1, 1, 2, None)
    assert plan(reserved, NOW).verdict.reason is Reason.PROVIDER_CLOSED


@pytest.mark.parametrize(
    ("limited", "free", "charge"),
    [
        (0, 0, Charge.UNCHARGED),
        (LIMITED_RESTART_LIMIT - 1, FREE_RESTART_LIMIT, Charge.UNCHARGED),
        (LIMITED_RESTART_LIMIT, 0, Charge.FREE),
        (LIMITED_RESTART_LIMIT, FREE_RESTART_LIMIT - 1, Charge.FREE),
        (LIMITED_RESTART_LIMIT, FREE_RESTART_LIMIT, None),
    ],
)
def test_limits_are_met_for_nothing_so_often_and_no_more(limited: int, free: int, charge: Charge | None) -> None:
    """An agent that works a little and reports a limit, again and again, uses up the hundred and the twenty, then asks."""
    outcome = Outcome(attempt=0, result=OutcomeResult.FAILED, reason=Reason.PROVIDER_LIMITED, exit_code=75)
    spent = AgentState(pod_uid="u0", outcome=outcome, limited_restarts=limited, free_restarts=free)
    at = situation(spent, ENDED, facts=ADMITS)
    found = [action for action in plan(at, NOW).actions if isinstance(action, ReserveAttempt)]
    assert [action.charge for action in found] == ([charge] if charge else [])
    if not found:
        assert plan(at, NOW).verdict.reason is Reason.FREE_RESTARTS_SPENT
        return
    after = apply(at, found[0], NOW).agents["coder"]
    assert (after.limited_restarts - limited, after.free_restarts - free) == (charge is Charge.UNCHARGED, charge is Charge.FREE)


def test_a_long_healthy_run_resets_the_count_of_limits() -> None:
    """An agent that works for hours between two limits meets any number of them."""
    outcome = Outcome(attempt=0, result=OutcomeResult.FAILED, reason=Reason.PROVIDER_LIMITED, exit_code=75)
    spent = AgentState(pod_uid="u0", outcome=outcome, limited_restarts=LIMITED_RESTART_LIMIT, free_restarts=FREE_RESTART_LIMIT)
    long = replace(ENDED, termination=Termination(75, "Error", started_at=NOW - timedelta(days=1), finished_at=NOW))
    at = situation(spent, long, facts=ADMITS)
    [reserve] = plan(at, NOW).actions
    assert isinstance(reserve, ReserveAttempt)
    assert reserve.charge is Charge.UNCHARGED
    assert apply(at, reserve, NOW).agents["coder"].limited_restarts == 1


@pytest.mark.parametrize(
    ("pod", "reports", "facts"),
    [
        (ENDED, (REPORT,), replace(ADMITS, exists=False)),
        (ENDED, (REPORT,), None),
        (ENDED, (replace(REPORT, limit=None),), ADMITS),
        (ENDED, (replace(REPORT, pod_uid="another"),), ADMITS),
        (replace(ENDED, termination=Termination(1)), (REPORT,), ADMITS),
    ],
    ids=["no such provider", "no provider", "no limit", "another pod's", "another exit code"],
)
def test_other_ends_are_as_ever(pod: PodFacts, reports: tuple[ReportFacts, ...], facts: ProviderFacts | None) -> None:
    """Only exit code 75 with a limit, at a provider that exists, is the provider's."""
    at = situation(AgentState(pod_uid="u0"), pod, reports=reports, facts=facts)
    ended = PlanContext(at, NOW).ended(pod, 0, PlanContext(at, NOW).report_of(pod), ending=False)
    assert ended.reason in (Reason.TEMPORARY, Reason.EXITED_NONZERO)


def test_a_rule_of_the_policy_comes_first() -> None:
    """A policy may treat limits as it likes."""
    outcome = Outcome(attempt=0, result=OutcomeResult.FAILED, reason="ProviderLimited", exit_code=75)
    at = situation(AgentState(pod_uid="u0", outcome=outcome), ENDED)
    policy = RunPolicySpec(outcomes=(OutcomeRule(reasons=("ProviderLimited",), action=OutcomeAction.FAIL),))
    assert plan(replace(at, policy=ResolvedPolicy.of("default", policy)), NOW).rule == "outcome_fatal"


@pytest.mark.parametrize(
    ("more", "waits"),
    [
        ({}, True),
        ({"queued": True}, False),
        ({"policy": None}, False),
        ({"halt": HaltFacts("alice", "an outage")}, False),
        ({"namespace_terminating": True}, False),
        ({"policy": ResolvedPolicy.of("default", RunPolicySpec(dry_run=True))}, False),
        ({"run": replace(RUN, spec=SPEC.model_copy(update={"desired_state": DesiredState.PAUSED}))}, False),
        ({"run": replace(RUN, gone=True)}, False),
        ({"state": OperatorState(run_uid="run-1", paused_at=NOW)}, False),
        ({"state": OperatorState(run_uid="run-1", agents={"coder": HELPER_DONE})}, False),
        ({"state": OperatorState(run_uid="run-1", agents={"coder": AgentState(pod_uid="u0")}), "pods": (GATED,)}, True),
        ({"state": OperatorState(run_uid="run-1", agents={"coder": AgentState(attempt=1)}), "pods": (ALIVE,)}, False),
    ],
)  # fmt: skip
def test_which_agents_wait(more: dict[str, Any], waits: bool) -> None:
    """An agent that nothing but its provider keeps from starting stands in its line, and no other."""
    found = starts.waiting(PlanContext(replace(situation(), **more), NOW))
    assert [agent.name for agent in found] == (["coder"] if waits else [])


def test_the_facts_are_kept_for_a_replay() -> None:
    """A decision can be made again from its document."""
    at = replace(situation(), state=None)
    assert read_snapshot(write_snapshot(at, NOW)) == (at, NOW)


def test_a_stray_pod_of_an_earlier_attempt_does_not_hide_a_start_from_the_provider() -> None:
    """An agent whose gated pod is on record starts beside any other pod, so its provider decides about it (found by the model)."""
    own = replace(GATED, name="demo-coder-r1", uid="u1", attempt=1)
    known = situation(AgentState(attempt=1, pod_uid="u1"), GATED, own, facts=None)
    assert [agent.name for agent in starts.waiting(PlanContext(known, NOW))] == ["coder"]


def test_a_limit_that_is_reported_after_the_end_is_on_record_counts() -> None:
    """Beside a helper the agent's end may be recorded before the reporter's last report (found by the model)."""
    outcome = Outcome(attempt=0, result=OutcomeResult.FAILED, reason=Reason.TEMPORARY, exit_code=75)
    known = situation(AgentState(pod_uid="u0", outcome=outcome), ENDED, facts=ADMITS, reports=(REPORT,))
    (record,) = plan(known, NOW).actions
    assert isinstance(record, RecordOutcome)
    after = replace(known, state=apply(known, record, NOW))
    (reserve,) = plan(after, NOW).actions
    assert isinstance(reserve, ReserveAttempt)
    assert (reserve.reason, reserve.charge) == (Reason.PROVIDER_LIMITED, Charge.UNCHARGED)
