"""The deadline stands still while providers hold back every agent of a Run that is not finished, as in a pause."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from controller.api.operator_state import AgentState, OperatorState, Outcome, OutcomeResult
from controller.api.policy import RunPolicySpec
from controller.api.resolved_policy import ResolvedPolicy
from controller.api.run import Agent, RunSpec
from controller.plan import plan
from controller.plan.actions import ContinueDeadline, PauseRun, ResumeRun, SuspendDeadline, Transition
from controller.plan.context import PlanContext
from controller.plan.reasons import Reason
from controller.plan.snapshot import PodFacts, ProviderFacts, RunFacts, Snapshot
from controller.plan.transitions import apply
from tests.unit.plan.stories import NOW

DEADLINE_SECONDS = 600
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
BEGAN = NOW - MINUTE
SPEC = RunSpec(
    agents=(Agent(name="coder", image="x", provider="claude"), Agent(name="helper", image="x", provider="claude", required=False)),
    active_deadline_seconds=DEADLINE_SECONDS,
)
RUN = RunFacts("ns", "demo", "run-1", 1, SPEC)
ADMITS = tuple(ProviderFacts(agent.name, "claude") for agent in SPEC.agents)
CLOSED = tuple(replace(facts, admits=False, reason=Reason.PROVIDER_CLOSED, message="provider claude is closed") for facts in ADMITS)
WAITS = AgentState(attempt=1)
DONE = AgentState(pod_uid="h0", outcome=Outcome(attempt=0, result=OutcomeResult.COMPLETED, reason="ResultReported"))
FAILED = AgentState(pod_uid="h0", outcome=Outcome(attempt=0, result=OutcomeResult.FAILED, reason="ExitedNonzero", exit_code=1))
WORKING = PodFacts("demo-helper-r0", "h0", "helper", 0, "run-1", phase="Running", bound=True, ready=True, started_at=BEGAN)
GATED = PodFacts("demo-coder-r0", "u0", "coder", 0, "run-1", gated=True, created_at=BEGAN)


def situation(coder: AgentState = WAITS, helper: AgentState = WAITS, *pods: PodFacts, **more: Any) -> Snapshot:
    """Return a snapshot of a Run that began a minute ago, and whose provider is closed."""
    state = OperatorState(run_uid="run-1", started_at=BEGAN, agents={"coder": coder, "helper": helper})
    policy = ResolvedPolicy.of("default", RunPolicySpec(restart_budget=0))
    return replace(Snapshot(run=RUN, policy=policy, state=state, pods=pods, providers=CLOSED), **more)


def steps(at: Snapshot, now: datetime) -> list[type]:
    """Return the kinds of a plan's actions that are about the deadline."""
    return [type(action) for action in plan(at, now).actions if isinstance(action, SuspendDeadline | ContinueDeadline)]


def after(at: Snapshot, now: datetime) -> Snapshot:
    """Return the snapshot after the changes of the state that are due."""
    for action in plan(at, now).actions:
        if isinstance(action, Transition):
            at = replace(at, state=apply(at, action, now))
    return at


def deadline(at: Snapshot, now: datetime) -> datetime | None:
    """Return the Run's deadline at a moment."""
    return PlanContext(at, now).deadline


def test_the_wait_for_a_provider_does_not_count() -> None:
    """An hour's closing does not fail a Run of ten minutes. It has as much time left after the wait as before it."""
    held = after(situation(), NOW)
    assert held.state
    assert (held.state.held_at, deadline(held, NOW), plan(held, NOW).actions) == (NOW, None, ())
    assert plan(held, NOW + HOUR).rule == "supervised"
    words = "agent coder: provider claude is closed; the deadline stands still (activeDeadlineSeconds)"
    assert plan(held, NOW).verdict.message == words
    admitted = after(replace(held, providers=ADMITS), NOW + HOUR)
    assert admitted.state
    assert (admitted.state.held_at, admitted.state.paused_seconds) == (None, HOUR.total_seconds())
    end = BEGAN + HOUR + timedelta(seconds=DEADLINE_SECONDS)
    assert deadline(admitted, NOW + HOUR) == end
    assert plan(replace(admitted, providers=CLOSED), end).rule == "deadline_passed"


@pytest.mark.parametrize(
    ("at", "stands"),
    [
        (situation(), True),
        (situation(helper=DONE), True),
        (situation(helper=FAILED), True),
        (situation(helper=AgentState(pod_uid="h0")), False),
        (situation(coder=FAILED), False),
        (situation(providers=(CLOSED[0], ADMITS[1])), False),
        (situation(providers=ADMITS), False),
        (situation(helper=FAILED.model_copy(update={"cooldown_until": NOW + MINUTE})), True),
    ],
    ids=[
        "all wait",
        "the other one has completed",
        "the optional one is not restarted",
        "the other one is at work",
        "the other one waits for a human",
        "the other one may start",
        "nothing holds them",
        "the optional one has no restart left to cool down for",
    ],
)  # fmt: skip
def test_the_clock_stands_only_while_no_agent_works_or_may(at: Snapshot, stands: bool) -> None:
    """Every other wait counts: for a human, for a cooldown, and for a sibling."""
    pods = (WORKING,) if at.state and at.state.agents["helper"].pod_uid and not at.state.agents["helper"].outcome else ()
    assert steps(replace(at, pods=pods), NOW) == ([SuspendDeadline] if stands else [])


def test_a_cooldown_counts() -> None:
    """The governor does not hold back an agent that cools down."""
    cooling = FAILED.model_copy(update={"cooldown_until": NOW + MINUTE})
    policy = ResolvedPolicy.of("default", RunPolicySpec(restart_budget=3))
    assert steps(situation(helper=cooling, policy=policy), NOW) == []


def test_a_run_that_was_never_started_writes_nothing() -> None:
    """Its deadline has not begun. So its wait costs no write, and its first attempt starts as ever."""
    fresh = situation(state=None)
    assert plan(fresh, NOW).actions == ()


def test_a_pod_that_was_created_before_the_closing_does_not_use_up_the_deadline() -> None:
    """The start counts from the pod's creation, so what lies between is subtracted."""
    held = after(situation(state=None, pods=(GATED,)), NOW)
    assert held.state
    assert held.state.held_at == NOW
    admitted = after(replace(held, providers=ADMITS), NOW + HOUR)
    assert admitted.state
    assert (admitted.state.paused_seconds, admitted.state.held_at) == (HOUR.total_seconds(), None)


def test_a_pause_during_the_wait_counts_no_time_twice() -> None:
    """The wait ends with the pause, and the pause with the resumption."""
    held = after(situation(), NOW)
    paused = replace(held, state=apply(held, PauseRun(reason=Reason.PAUSE_REQUESTED), NOW + MINUTE))
    assert paused.state
    assert (paused.state.held_at, paused.state.paused_at, paused.state.paused_seconds) == (None, NOW + MINUTE, 60)
    resumed = apply(paused, ResumeRun(reason=Reason.RESUME_REQUESTED), NOW + 3 * MINUTE)
    assert resumed.paused_seconds == 180


def test_a_clock_that_is_behind_takes_no_time_back() -> None:
    """An operator whose clock is behind the one that stopped the deadline adds nothing."""
    held = after(situation(), NOW)
    admitted = after(replace(held, providers=ADMITS), NOW - MINUTE)
    assert admitted.state
    assert admitted.state.paused_seconds == 0
