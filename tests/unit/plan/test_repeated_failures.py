"""The same failure several times in a row: a human is asked, or the Run fails, instead of another charged restart."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from controller.api.base import dump, parse
from controller.api.escalation import Decision, EscalationPhase
from controller.api.names import pod_name
from controller.api.operator_state import FIRST_SCHEMA_VERSION, AgentState, OperatorState
from controller.api.phases import Phase
from controller.api.policy import OnBudgetSpent, OnRepeatedFailures, OutcomeAction, OutcomeRule, RepeatedFailures, RunPolicySpec
from controller.api.resolved_policy import ResolvedPolicy
from controller.api.run import Agent, RunSpec
from controller.plan import Plan, plan
from controller.plan.actions import CreateEscalation, Transition
from controller.plan.failure_digest import attempt_digest
from controller.plan.reasons import Reason
from controller.plan.snapshot import EscalationFacts, PodFacts, RunFacts, Snapshot, Termination
from controller.plan.transitions import apply
from controller.status.status import build_status
from tests.unit.plan.stories import NOW

RUN, UID, AGENT = "demo", "run-1", "coder"
TWICE = RepeatedFailures(count=2)
POLICY = RunPolicySpec(restart_budget=5, restart_cooldown_seconds=0, repeated_failures=TWICE)


@dataclass
class Play:
    """One Run whose agent's attempts end as the test says; a human answers on request."""

    policy: RunPolicySpec = POLICY
    state: OperatorState = OperatorState(run_uid=UID, started_at=NOW, agents={AGENT: AgentState(pod_uid="u0")})  # noqa: RUF009  # frozen
    decision: Plan | None = None
    escalations: tuple[EscalationFacts, ...] = ()
    required: bool = True

    @property
    def agent(self) -> AgentState:
        """The agent's record."""
        return self.state.agents[AGENT]

    def crash(self, message: str = "no such file", code: int = 1, **facts: Any) -> Play:
        """End the current attempt with an exit code and last words, and decide what follows."""
        end = Termination(code, "Error", message, started_at=NOW - timedelta(seconds=facts.pop("seconds", 60)), finished_at=NOW)
        return self.judge(phase="Failed", termination=end, **facts)

    def judge(self, **facts: Any) -> Play:
        """Decide until nothing more follows from the current attempt's pod; a reserved attempt then runs."""
        attempt, uid = self.agent.attempt, self.agent.pod_uid
        pod = PodFacts(pod_name(RUN, AGENT, attempt), uid, AGENT, attempt, UID, bound=True, created_at=NOW, **facts)
        for _ in range(4):
            self.decision = plan(self.seen(pod), NOW)
            changes = [action for action in self.decision.actions if isinstance(action, Transition)]
            if not changes:
                break
            self.state = apply(self.seen(pod), changes[0], NOW)
            if self.agent.attempt > attempt:
                agent = self.agent.model_copy(update={"pod_uid": f"u{self.agent.attempt}"})
                self.state = self.state.model_copy(update={"agents": {AGENT: agent}})
                break
        return self

    def seen(self, *pods: PodFacts) -> Snapshot:
        """Return the situation with these pods."""
        spec = RunSpec(agents=(Agent(name=AGENT, image="x", required=self.required), Agent(name="other", image="x")))
        run = RunFacts("ns", RUN, UID, generation=1, spec=spec, created_at=NOW)
        policy = ResolvedPolicy.of("default", self.policy)
        return Snapshot(run=run, policy=policy, state=self.state, pods=pods, escalations=self.escalations)

    def answer(self, decision: Decision, **facts: Any) -> Play:
        """Let a human answer the escalation that the last decision has created."""
        asked = self.asked()
        found = EscalationFacts(asked.escalation, "e", UID, AGENT, asked.attempt, EscalationPhase.OPEN)
        self.escalations = (found,)
        self.judge(**facts)
        self.escalations = (replace(found, decision=decision, phase=EscalationPhase.ANSWERED, by="ada"),)
        return self.judge(**facts)

    def asked(self) -> CreateEscalation:
        """Return the question to a human in the last decision."""
        assert self.decision
        (found,) = (action for action in self.decision.actions if isinstance(action, CreateEscalation))
        return found

    def is_asking(self) -> bool:
        """Whether a human is asked about repeated failures."""
        return self.decision is not None and any(
            isinstance(action, CreateEscalation) and action.reason is Reason.REPEATED_FAILURES for action in self.decision.actions
        )


CRASHED = {"phase": "Failed", "termination": Termination(1, "Error", "no such file", finished_at=NOW)}
DRAINED: dict[str, Any] = {"message": "", "code": 143, "disrupted_at": NOW - timedelta(seconds=1)}


def test_the_second_equal_failure_asks_a_human() -> None:
    """No charge follows; the question has the failure, how often it came, its last words and what an answer does."""
    play = Play().crash("12:00:01 no such file /tmp/a1").crash("12:07:33 no such file /tmp/b2")
    assert play.is_asking()
    assert (play.agent.attempt, play.agent.restarts) == (1, 1)
    text = play.asked().inquiry.text
    assert "the same failure 2 times in a row, now in attempt 1: NonZeroExit: exit code 1: 12:07:33 no such file /tmp/b2" in text
    assert "Retry starts one attempt that is not charged" in text
    assert "If the next attempt fails in the same way, you are asked again" in text


def test_without_the_field_the_budget_is_spent_as_before() -> None:
    """Equal failures are restarted until no restart is left, and nothing more is recorded."""
    play = Play(POLICY.model_copy(update={"repeated_failures": None, "restart_budget": 3}))
    for _ in range(4):
        play.crash()
    assert (play.agent.restarts, play.asked().reason) == (3, Reason.BUDGET_SPENT)
    assert play.agent.last_failure is None


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"message": "no such file"}, {"message": "permission denied"}),
        ({"code": 1}, {"code": 2}),
        ({"code": 1}, {"code": 1, "termination": Termination(1, "OOMKilled", "no such file", finished_at=NOW)}),
    ],
    ids=["other last words", "another exit code", "another reason"],
)
def test_another_failure_begins_another_row(first: dict[str, Any], second: dict[str, Any]) -> None:
    """Only the same reason, exit code and last words count as the same failure."""
    play = Play().crash(**first)
    play = play.judge(phase="Failed", termination=second["termination"]) if "termination" in second else play.crash(**second)
    assert play.agent.restarts == 2
    assert play.agent.last_failure
    assert play.agent.last_failure.times == 1


def test_a_disruption_neither_counts_nor_ends_the_row() -> None:
    """A drain shows nothing about the agent: two drains are no failures, and two failures around one are in a row."""
    drained = Play().crash(**DRAINED).crash(**DRAINED)
    assert (drained.agent.free_restarts, drained.agent.last_failure) == (2, None)
    assert Play().crash().crash(**DRAINED).crash().is_asking()


def test_a_free_restart_of_the_policy_does_not_count() -> None:
    """An end that the policy's outcomes make free is not a failure that costs anything."""
    free = OutcomeRule(exit_codes=(9,), action=OutcomeAction.RETRY_FREE)
    play = Play(POLICY.model_copy(update={"outcomes": (free,)})).crash(code=9).crash(code=9).crash(code=9)
    assert (play.agent.free_restarts, play.agent.restarts, play.agent.last_failure) == (3, 0, None)


def test_retry_gives_one_attempt_and_the_row_goes_on() -> None:
    """If the human's change did not help, they are asked again at once; another failure is restarted."""
    again = Play().crash().crash().answer(Decision.RETRY, **CRASHED)
    assert (again.agent.attempt, again.agent.restarts) == (2, 1)
    again.escalations = ()
    assert "the same failure 3 times in a row" in again.crash().asked().inquiry.text
    other = Play().crash().crash().answer(Decision.RETRY, **CRASHED)
    other.escalations = ()
    assert other.crash("out of disk space").agent.restarts == 2


def test_stop_fails_the_run() -> None:
    """A human's Stop ends it, as for every block."""
    play = Play().crash().crash().answer(Decision.STOP, **CRASHED)
    assert play.state.stop
    assert (play.state.stop.phase, play.state.stop.reason) == (Phase.FAILED, Reason.STOP_ORDERED)


def test_action_fail_fails_the_run() -> None:
    """It is for Runs that nobody waits for."""
    policy = POLICY.model_copy(update={"repeated_failures": RepeatedFailures(count=3, action=OnRepeatedFailures.FAIL)})
    play = Play(policy).crash().crash().crash()
    assert play.state.stop
    assert play.state.stop.reason == Reason.REPEATED_FAILURES
    assert play.state.stop.message.endswith("no such file; the same failure 3 times in a row (repeatedFailures)")


@pytest.mark.parametrize("action", OnRepeatedFailures)
def test_an_optional_agent_stays_dead(action: OnRepeatedFailures) -> None:
    """As with a spent budget: the Run goes on without it, and nobody is asked."""
    policy = POLICY.model_copy(update={"repeated_failures": RepeatedFailures(count=2, action=action)})
    play = Play(policy, required=False).crash().crash()
    assert play.decision
    assert (play.state.stop, play.agent.restarts, play.is_asking()) == (None, 1, False)
    assert play.decision.agents[0].reason == Reason.EXITED_NONZERO


def test_it_comes_before_a_spent_budget() -> None:
    """A failure that is both is about the cause: a human is asked, although onBudgetSpent would fail the Run."""
    play = Play(POLICY.model_copy(update={"restart_budget": 1, "on_budget_spent": OnBudgetSpent.FAIL})).crash().crash()
    assert play.is_asking()
    assert play.state.stop is None


def test_a_higher_limit_continues_by_itself() -> None:
    """The policy is read when it is acted on: with a higher count the agent is restarted."""
    play = Play().crash().crash()
    play.policy = POLICY.model_copy(update={"repeated_failures": RepeatedFailures(count=3)})
    assert play.judge(**CRASHED).agent.restarts == 2


def test_a_long_healthy_run_ends_the_row() -> None:
    """It gives back the charges, so the failure after it is a first one."""
    play = Play().crash().crash(seconds=POLICY.restart_budget_reset_seconds + 1)
    assert not play.is_asking()
    assert play.agent.last_failure
    assert (play.agent.restarts, play.agent.last_failure.times) == (1, 1)
    assert play.crash().is_asking()


def test_a_live_agent_that_is_unready_again_is_the_same_failure() -> None:
    """It has no exit code and no words: the reason decides. It is left running until the human answers."""
    unready = {"phase": "Running", "started_at": NOW - timedelta(hours=1), "unready_since": NOW - timedelta(minutes=10)}
    play = Play().judge(**unready)
    assert play.agent.restarts == 1
    play.judge(**unready)
    assert play.is_asking()
    assert "2 times in a row, now in attempt 1: pod demo-coder-r1 fails its readiness probe" in play.asked().inquiry.text
    play.answer(Decision.RETRY, **unready)
    assert play.agent.last_failure
    assert (play.agent.attempt, play.agent.restarts, play.agent.last_failure.times) == (2, 1, 2)


def test_the_status_says_how_often() -> None:
    """From the second time on; a single failure is not worth a field."""
    first, second = Play().crash(), Play().crash().crash()
    shown = [_status(play)["agents"][0].get("repeatedFailures") for play in (first, second)]
    assert shown == [None, 2]


def _status(play: Play) -> dict[str, Any]:
    assert play.decision
    return build_status(play.seen(), play.decision, (), {}, NOW)


def test_a_record_with_failures_needs_no_newer_reader() -> None:
    """An older operator keeps what it does not know, and at worst a human is asked at another time."""
    state = Play().crash().state
    assert state.schema_version == FIRST_SCHEMA_VERSION
    assert parse(OperatorState, dump(state)) == state


def test_last_words_from_a_log_are_compared_by_their_end() -> None:
    """The kubelet keeps the end of a log: where it is cut depends on all that came before."""
    lines = [f"[{number}] reading part {chr(97 + number % 26)}" for number in range(90)]
    end = "\nTraceback: no such file"
    assert attempt_digest("NonZeroExit", 1, "\n".join(lines)[-2020:] + end) == attempt_digest(
        "NonZeroExit", 1, "\n".join(lines)[-2011:] + end
    )
    assert attempt_digest("NonZeroExit", 1, "a\nb") != attempt_digest("NonZeroExit", 1, "c\nb")
