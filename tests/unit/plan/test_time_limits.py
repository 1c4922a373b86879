"""A moment at which time alone ends a Run is a check time, also while nothing else draws attention to it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from controller.api.escalation import EscalationPhase, EscalationType
from controller.api.operator_state import AgentState, OperatorState
from controller.api.phases import Phase
from controller.api.policy import OnQuestionTimeout, RunPolicySpec
from controller.api.resolved_policy import ResolvedPolicy
from controller.api.run import Agent, RunSpec
from controller.plan import plan
from controller.plan.snapshot import EscalationFacts, PodFacts, RunFacts, Snapshot

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
EXPIRY = NOW + timedelta(seconds=30)
RUN = RunFacts("ns", "demo", "run-1", 1, RunSpec(agents=(Agent(name="coder", image="x"),)))
POD = PodFacts("demo-coder-r0", "u0", "coder", 0, "run-1", phase="Running", bound=True, ready=True, started_at=NOW)
STATE = OperatorState(run_uid="run-1", agents={"coder": AgentState(pod_uid="u0", started_at=NOW)})
NO_LONGER_ASKED = EscalationFacts(
    "demo-coder-5b182b6f",
    "e0",
    "run-1",
    agent="coder",
    attempt=0,
    phase=EscalationPhase.OPEN,
    decision=None,
    type=EscalationType.QUESTION,
    question="q1",
    expires_at=EXPIRY,
)


@pytest.mark.parametrize(
    ("choice", "checked", "ended"),
    [(OnQuestionTimeout.STOP, EXPIRY, Phase.STOPPING), (OnQuestionTimeout.WAIT, None, Phase.RUNNING)],
)
def test_a_question_that_is_no_longer_asked_times_out_in_time(
    choice: OnQuestionTimeout, checked: datetime | None, ended: Phase
) -> None:
    """The agent works on and its report has no question, but nobody has answered or dismissed the one that it asked."""
    policy = ResolvedPolicy.of("default", RunPolicySpec(on_question_timeout=choice))
    snapshot = Snapshot(run=RUN, policy=policy, state=STATE, pods=(POD,), escalations=(NO_LONGER_ASKED,))
    assert plan(snapshot, NOW).verdict.next_check == checked
    assert plan(snapshot, EXPIRY).verdict.phase is ended
