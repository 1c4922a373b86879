"""People get a bounded number of an agent's questions, and the Run's status reports that the rest waits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from controller.api.escalation import EscalationPhase, EscalationType
from controller.api.llm_policy import LLMMode
from controller.api.operator_state import AgentState, OperatorState
from controller.api.policy import RunPolicySpec
from controller.api.resolved_policy import ResolvedPolicy
from controller.api.run import Agent, RunSpec
from controller.plan import Snapshot, plan
from controller.plan.actions import Consult, CreateEscalation, SetEscalationPhase, Transition
from controller.plan.allowance import OPEN_QUESTIONS, OPEN_QUESTIONS_OF_RUN, OPENED, OPENED_OF_RUN, WINDOW_SECONDS
from controller.plan.snapshot import EscalationFacts, PodFacts, QuestionFacts, ReportFacts, RunFacts
from controller.plan.transitions import apply
from controller.status.status import build_status

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
BEGAN = NOW - timedelta(days=2)
OPEN = EscalationPhase.OPEN


class Desk:
    """A Run with arbitrary reports of its agents, and the escalations that the operator has created for it."""

    def __init__(self, agents: int = 1) -> None:
        self.names = [f"a{number}" for number in range(agents)]
        self.now, self.opened, self.snapshot = NOW, 0, self._begin()

    def _begin(self) -> Snapshot:
        spec = RunSpec(agents=tuple(Agent(name=name, image="x") for name in self.names))
        states = {name: AgentState(pod_uid=f"{name}-0") for name in self.names}
        state = OperatorState(run_uid="run-1", started_at=NOW, agents=states)
        pods = tuple(self._pod(name, 0) for name in self.names)
        policy = ResolvedPolicy.of("p", RunPolicySpec(stale_run_age_seconds=604_800))
        return Snapshot(RunFacts("ns", "demo", "run-1", 1, spec), policy=policy, state=state, pods=pods)

    def _pod(self, agent: str, attempt: int) -> PodFacts:
        name, uid = f"demo-{agent}-r{attempt}", f"{agent}-{attempt}"
        return PodFacts(name, uid, agent, attempt, "run-1", "Running", ready=True, bound=True, reporting=True, started_at=BEGAN)

    def report(self, agent: str, seq: int, questions: Iterable[str] = (), events: int = 0, attempt: int = 0) -> None:
        """Write an agent's report; without questions it is active and reports no result."""
        asked = tuple(QuestionFacts(name, f"What of {name}?") for name in questions)
        long_ago = self.now - timedelta(days=1)
        said = ReportFacts(
            agent, "run-1", attempt, f"{agent}-{attempt}", seq, self.now, 60, self.now, long_ago, events, questions=asked
        )
        others = tuple(report for report in self.snapshot.reports if report.agent != agent)
        self.snapshot = replace(self.snapshot, reports=(*others, said))
        self.work()

    def restart(self, agent: str, attempt: int) -> None:
        """Begin another attempt of an agent, by order of a human."""
        assert self.snapshot.state
        states = self.snapshot.state.agents
        anew = states[agent].model_copy(update={"attempt": attempt, "pod_uid": f"{agent}-{attempt}"})
        pods = tuple(pod for pod in self.snapshot.pods if pod.agent != agent)
        state = self.snapshot.state.model_copy(update={"agents": states | {agent: anew}})
        self.snapshot = replace(self.snapshot, state=state, pods=(*pods, self._pod(agent, attempt)))

    def work(self) -> None:
        """Carry out plans until none is due."""
        for _ in range(200):
            due = plan(self.snapshot, self.now).actions
            creations, changes = [a for a in due if isinstance(a, CreateEscalation)], [a for a in due if isinstance(a, Transition)]
            marks = [a for a in due if isinstance(a, SetEscalationPhase)]
            if creations:
                self._create(creations)
            elif changes:
                self.snapshot = replace(self.snapshot, state=apply(self.snapshot, changes[0], self.now))
            elif marks:
                self._mark(marks[0])
            else:
                return
        raise AssertionError("no rest")

    def _create(self, actions: list[CreateEscalation]) -> None:
        made = []
        for action in actions:
            kind, question = action.inquiry.type, action.inquiry.question
            made.append(
                EscalationFacts(action.escalation, "e", "run-1", action.agent, action.attempt, type=kind, question=question)
            )
        self.opened += len(made)
        self.snapshot = replace(self.snapshot, escalations=(*self.snapshot.escalations, *made))

    def _mark(self, action: SetEscalationPhase) -> None:
        marked = (
            replace(e, phase=action.escalation_phase) if e.name == action.escalation else e for e in self.snapshot.escalations
        )
        self.snapshot = replace(self.snapshot, escalations=tuple(marked))

    @property
    def standing(self) -> list[EscalationFacts]:
        """Return the open escalations."""
        return [e for e in self.snapshot.escalations if e.open and e.decision is None]

    def condition(self) -> tuple[str, str]:
        """Return reason and message of the condition Escalated."""
        status = build_status(self.snapshot, plan(self.snapshot, self.now), (), {}, self.now)
        return next((c["reason"], c["message"]) for c in status["conditions"] if c["type"] == "Escalated")


def test_a_report_that_asks_anew_with_each_write_opens_no_more_than_an_agent_may() -> None:
    """Twenty-five reports with eight new questions each create eight escalations, not two hundred; the status gives the reason."""
    desk = Desk()
    for write in range(25):
        desk.report("a0", write, [f"q{write}-{number}" for number in range(8)])
    assert desk.opened == len(desk.standing) == OPEN_QUESTIONS
    reason, message = desk.condition()
    assert reason == "InboxLimited"
    limit = "more questions of agent a0 wait until some are answered or deleted: at most 8 per agent, 32 per Run"
    assert message.startswith(f"{limit}; answer ")


def test_an_answer_makes_room_for_one() -> None:
    """After an answer the next waiting question is escalated: the agent waits until then, and no question is lost."""
    desk = Desk()
    desk.report("a0", 1, [f"q{number}" for number in range(8)])
    desk.report("a0", 2, ["other"])
    assert desk.opened == OPEN_QUESTIONS
    first = desk.standing[0]
    kept = tuple(e for e in desk.snapshot.escalations if e != first)
    desk.snapshot = replace(desk.snapshot, escalations=(*kept, replace(first, phase=EscalationPhase.DELIVERED)))
    desk.work()
    assert desk.opened == OPEN_QUESTIONS + 1
    assert desk.condition()[0] == "AwaitingResponse"


def test_the_questions_of_a_former_attempt_make_room_first() -> None:
    """The oldest questions that the current attempt does not repeat are superseded, one for each new question and no more."""
    desk = Desk()
    desk.report("a0", 1, [f"old{number}" for number in range(8)])
    desk.restart("a0", 1)
    desk.report("a0", 1, ["new1", "new2", "old3"], attempt=1)
    assert len(desk.standing) == OPEN_QUESTIONS
    assert {"new1", "new2", "old3"} <= {e.question for e in desk.standing}
    assert sum(e.phase is EscalationPhase.SUPERSEDED for e in desk.snapshot.escalations) == 2


def test_many_agents_of_a_run_share_its_bound() -> None:
    """Thirty-two agents with eight questions each share the limit of one Run."""
    desk = Desk(agents=32)
    for name in desk.names:
        desk.report(name, 1, [f"q{number}" for number in range(8)])
    assert len(desk.standing) == OPEN_QUESTIONS_OF_RUN
    assert desk.condition()[0] == "InboxLimited"


@pytest.mark.parametrize(("agents", "bound"), [(1, OPENED), (4, OPENED_OF_RUN)])
def test_evidence_that_changes_with_each_report_is_escalated_a_bounded_number_of_times_an_hour(agents: int, bound: int) -> None:
    """A counter in the report's evidence makes each block a new one: the escalations per hour are limited, and continue in the
    next hour.
    """
    desk = Desk(agents)
    for write in range(50):
        for name in desk.names:
            desk.report(name, write, events=write)
    assert desk.opened == bound
    assert "the limit per hour is reached" in desk.condition()[1]
    check = plan(desk.snapshot, desk.now).verdict.next_check
    assert check
    assert check <= NOW + timedelta(seconds=WINDOW_SECONDS)
    desk.now = NOW + timedelta(seconds=WINDOW_SECONDS)
    for name in desk.names:
        desk.report(name, 50, events=50)
    assert desk.opened == bound + agents


def test_no_more_consultations_are_begun_than_people_may_be_asked() -> None:
    """The advisor is asked before a human, so a question over the limit for people does not reach the advisor either."""
    desk = Desk()
    desk.snapshot = replace(desk.snapshot, mode=LLMMode.ASSIST, advisor=True)
    desk.report("a0", 1, [f"q{number}" for number in range(8)])
    taken = replace(desk.snapshot, escalations=tuple(_another(number) for number in range(6)))
    assert sum(isinstance(a, Consult) for a in plan(taken, NOW).actions) == 2


def _another(number: int) -> EscalationFacts:
    return EscalationFacts(f"o{number}", "e", "run-1", "a0", 0, OPEN, type=EscalationType.QUESTION, question=f"o{number}")
