"""Halts: agents end as in a pause, whatever their Runs want; after the lift each Run starts again in its turn, uncharged."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from controller.api.base import JsonObject
from controller.api.escalation import EscalationPhase, EscalationType
from controller.api.operator_state import AgentState, BlockedState, OperatorState, Outcome, OutcomeResult, StopDecision
from controller.api.phases import Phase
from controller.api.policy import OnQuestionTimeout, RunPolicySpec
from controller.api.resolved_policy import ResolvedPolicy
from controller.api.run import Agent, DesiredState, RunSpec
from controller.api.violations import violation
from controller.plan import Plan, plan
from controller.plan.actions import Action, PauseRun, ResumeRun, StopRun, Terminate, Transition
from controller.plan.reads import expected_pod_names
from controller.plan.reasons import Reason
from controller.plan.snapshot import EscalationFacts, HaltFacts, PodFacts, RunFacts, Snapshot
from controller.plan.snapshot_reader import read_snapshot
from controller.plan.snapshot_writer import write_snapshot
from controller.plan.transitions import apply
from controller.status.status import build_status
from tests.unit.plan.stories import NOW

BEGAN = NOW - timedelta(hours=1)
HALT = HaltFacts("alice", "the provider is down", BEGAN)
SPEC = RunSpec(agents=(Agent(name="coder", image="x"),))
RUN = RunFacts("ns", "demo", "run-1", 1, SPEC)
POD = PodFacts("demo-coder-r0", "u0", "coder", 0, "run-1", phase="Running", bound=True, ready=True, started_at=BEGAN)
WORKING = OperatorState(run_uid="run-1", started_at=BEGAN, agents={"coder": AgentState(pod_uid="u0", restarts=1)})
INTERRUPTED = Outcome(attempt=0, result=OutcomeResult.INTERRUPTED, reason="Interrupted")
ENDED = AgentState(pod_uid="u0", restarts=1, outcome=INTERRUPTED)
HALTED = OperatorState(run_uid="run-1", started_at=BEGAN, paused_at=BEGAN, halted_at=BEGAN, agents={"coder": ENDED})


def snapshot(state: OperatorState | None, *pods: PodFacts, halt: HaltFacts | None = HALT, run: RunFacts = RUN) -> Snapshot:
    """Return a snapshot with the default policy."""
    return Snapshot(run=run, policy=ResolvedPolicy.of("default", RunPolicySpec()), state=state, pods=pods, halt=halt)


def wants(desired: DesiredState) -> RunFacts:
    """Return the Run with a desired state."""
    return replace(RUN, spec=SPEC.model_copy(update={"desired_state": desired}))


def steps(decision: Plan) -> list[type[Action]]:
    """Return the classes of a plan's actions."""
    return [type(action) for action in decision.actions]


def after(at: Snapshot, decision: Plan) -> Snapshot:
    """Return the snapshot after the transitions of a plan."""
    for action in decision.actions:
        if isinstance(action, Transition):
            at = replace(at, state=apply(at, action, NOW))
    return at


def test_an_agent_is_ended_once_the_clocks_have_stopped() -> None:
    """The halt is saved first, by the step of a pause; the end of the pod follows, and then the phase is Halted."""
    at = snapshot(WORKING, POD)
    first = plan(at, NOW)
    assert (first.rule, steps(first)) == ("halted", [PauseRun])
    saved = after(at, first)
    assert saved.state
    assert (saved.state.paused_at, saved.state.halted_at) == (NOW, NOW)
    assert steps(plan(saved, NOW)) == [Terminate]
    ended = plan(snapshot(HALTED), NOW)
    assert (ended.verdict.phase, ended.verdict.reason, ended.actions) == (Phase.HALTED, Reason.HALTED, ())
    assert ended.verdict.message == "the namespace is halted by alice since 2026-01-01T11:00:00Z: the provider is down"


def test_a_new_run_starts_nothing_and_remembers_the_halt() -> None:
    """A Run that was created while nobody refused it waits for its turn, too, once the halt is lifted."""
    at = snapshot(None)
    assert steps(plan(at, NOW)) == [PauseRun]
    held = after(at, plan(at, NOW))
    assert plan(held, NOW).actions == ()
    lifted = replace(held, halt=None, turn_at=NOW + timedelta(seconds=1))
    assert (plan(lifted, NOW).verdict.phase, plan(lifted, NOW).actions) == (Phase.QUEUED, ())


def test_a_halt_reads_the_pod_of_a_start_that_no_state_names() -> None:
    """A Run without a state may have a started pod that the caches lack: a halt looks for it, as a pause does."""
    assert expected_pod_names(snapshot(None)) == {"demo-coder-r0"}
    assert expected_pod_names(snapshot(None, halt=None)) == set()


def test_a_run_whose_spec_is_refused_is_halted() -> None:
    """A newer operator may refuse a template whose agent runs; the halt ends that agent all the same."""
    refused = replace(RUN, violations=(violation("spec.agents[0].image", "x", "is refused"),))
    state = WORKING.model_copy(update={"paused_at": BEGAN, "halted_at": BEGAN})
    assert steps(plan(snapshot(state, POD, run=refused), NOW)) == [Terminate]
    unreadable = RunFacts("ns", "demo", "run-1", 1, None, unreadable="too deep")
    assert plan(snapshot(HALTED, run=unreadable), NOW).verdict.phase is Phase.HALTED


def test_a_lifted_run_waits_for_its_turn_and_starts_uncharged() -> None:
    """Nothing is due before the turn. The new attempt is not charged, and the deadlines have stood still."""
    turn = NOW + timedelta(seconds=7)
    waiting = replace(snapshot(HALTED, halt=None), turn_at=turn)
    held = plan(waiting, NOW)
    assert (held.verdict.phase, held.verdict.reason, held.actions) == (Phase.QUEUED, Reason.HALT_LIFTED, ())
    assert held.verdict.next_check == turn
    assert steps(plan(waiting, turn)) == [ResumeRun]
    state = apply(waiting, ResumeRun(reason=Reason.HALT_LIFTED), turn)
    assert (state.agents["coder"].attempt, state.agents["coder"].restarts, state.agents["coder"].free_restarts) == (1, 1, 0)
    assert (state.paused_at, state.halted_at, state.paused_seconds) == (None, None, 3607)


def test_the_time_of_a_block_stands_still() -> None:
    """A human has as long to help after the halt as before it."""
    expiry = NOW + timedelta(minutes=5)
    blocked = BlockedState(escalation="demo-coder-1", reason="RestartBudgetSpent", since=BEGAN, expires_at=expiry)
    state = HALTED.model_copy(update={"agents": {"coder": ENDED.model_copy(update={"outcome": None, "blocked": blocked})}})
    resumed = apply(snapshot(state, halt=None), ResumeRun(reason=Reason.HALT_LIFTED), NOW).agents["coder"].blocked
    assert resumed
    assert resumed.expires_at == expiry + timedelta(hours=1)


def test_the_time_of_a_question_stands_still() -> None:
    """A Run does not fail after a halt because nobody answered during it; nor after a second one."""
    asked = EscalationFacts(
        "demo-coder-5b182b6f",
        "e0",
        "run-1",
        agent="coder",
        attempt=0,
        phase=EscalationPhase.OPEN,
        type=EscalationType.QUESTION,
        question="q",
        expires_at=BEGAN + timedelta(minutes=1),
    )
    policy = ResolvedPolicy.of("default", RunPolicySpec(on_question_timeout=OnQuestionTimeout.STOP))
    at = replace(snapshot(HALTED, halt=None), policy=policy, escalations=(asked,))
    for hours in (1, 2):
        at = replace(at, state=apply(at, ResumeRun(reason=Reason.HALT_LIFTED), BEGAN + timedelta(hours=hours)))
        assert at.state
        end = BEGAN + timedelta(hours=hours, minutes=1)
        assert plan(at, end - timedelta(seconds=1)).rule != "question_timed_out"
        assert plan(at, end).rule == "question_timed_out"
        at = replace(at, state=at.state.model_copy(update={"paused_at": end - timedelta(minutes=1), "halted_at": end}))


def test_a_paused_run_stays_paused() -> None:
    """A halt of a paused Run begins no second pause, and its lift ends none."""
    paused = WORKING.model_copy(update={"paused_at": BEGAN, "agents": {"coder": ENDED}})
    at = snapshot(paused, run=wants(DesiredState.PAUSED))
    held = after(at, plan(at, NOW))
    assert held.state
    assert (held.state.paused_at, held.state.halted_at) == (BEGAN, NOW)
    lifted = plan(replace(held, halt=None), NOW)
    assert (lifted.rule, lifted.verdict.phase, lifted.actions) == ("paused", Phase.PAUSED, ())


def test_a_run_that_is_resumed_by_its_user_waits_for_no_turn() -> None:
    """Turns are for Runs that a halt has ended."""
    paused = HALTED.model_copy(update={"halted_at": None})
    at = replace(snapshot(paused, halt=None), turn_at=NOW + timedelta(hours=1))
    assert [(type(a), a.reason) for a in plan(at, NOW).actions] == [(ResumeRun, Reason.RESUME_REQUESTED)]


def test_a_halt_of_an_ending_pod_is_lifted_once_the_pod_has_ended() -> None:
    """A short halt ends agents, too: no new attempt begins beside the former pod."""
    ending = replace(POD, ending_since=NOW)
    state = WORKING.model_copy(update={"paused_at": NOW, "halted_at": NOW})
    decision = plan(snapshot(state, ending, halt=None), NOW)
    assert (decision.verdict.phase, decision.verdict.reason, decision.actions) == (Phase.STOPPING, Reason.HALT_LIFTED, ())


@pytest.mark.parametrize("state", [HALTED, WORKING], ids=["halted", "working"])
def test_a_halted_run_can_be_stopped(state: OperatorState) -> None:
    """A stop is decided as ever, and is final."""
    assert steps(plan(snapshot(state, POD, run=wants(DesiredState.STOPPED)), NOW)) == [StopRun]


def test_finished_and_deleted_runs_are_untouched() -> None:
    """A finished Run shows how it ended and costs no write; a deleted one is released."""
    stop = StopDecision(phase=Phase.COMPLETED, reason="AllAgentsComplete", at=BEGAN, completed_at=BEGAN)
    done = snapshot(WORKING.model_copy(update={"stop": stop}))
    assert (plan(done, NOW).rule, plan(done, NOW).actions) == ("terminal", ())
    assert plan(done, NOW) == plan(replace(done, halt=None), NOW)
    assert "Halted" not in conditions(done)
    assert plan(snapshot(HALTED, run=replace(RUN, gone=True)), NOW).rule == "released"


def conditions(at: Snapshot) -> set[str]:
    """Return the conditions of the status for a snapshot."""
    return {condition["type"] for condition in status(at)["conditions"]}


def status(at: Snapshot) -> JsonObject:
    """Return the status for a snapshot."""
    return build_status(at, plan(at, NOW), (), {}, NOW)


def test_the_status_says_who_halted_when_and_why() -> None:
    """The words are in the message. The condition is there while the halt is in force, and at no other time."""
    of_cluster = snapshot(HALTED, halt=replace(HALT, cluster=True))
    assert status(of_cluster)["message"].startswith("the cluster is halted by alice since 2026-01-01T11:00:00Z: the provider")
    assert "Halted" in conditions(of_cluster)
    assert "Halted" not in conditions(snapshot(HALTED, halt=None))
    assert "Halted" not in conditions(snapshot(WORKING, POD, halt=None))


def test_a_snapshot_with_a_halt_reads_back_equal() -> None:
    """The ledger stores a halt and a turn without loss."""
    for at in (snapshot(HALTED), replace(snapshot(HALTED, halt=None), turn_at=NOW)):
        assert read_snapshot(write_snapshot(at, NOW)) == (at, NOW)
