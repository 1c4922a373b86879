"""Between two acts of a human an agent gets a bounded number of attempts, for any reports: a simulation around the planner."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest

from controller.api.escalation import Decision, EscalationPhase, EscalationType
from controller.api.names import pod_name
from controller.api.operator_state import MAX_ASKED, AgentState
from controller.api.policy import RunPolicySpec
from controller.api.resolved_policy import ResolvedPolicy
from controller.api.run import Agent, RunSpec
from controller.plan import plan
from controller.plan.actions import Action, CreateEscalation, CreatePod, DeliverAnswer, SetEscalationPhase, Transition, Ungate
from controller.plan.attempts.budget import FREE_RESTART_LIMIT
from controller.plan.attempts.lean_start import adopted, started_pods
from controller.plan.snapshot import EscalationFacts, PodFacts, QuestionFacts, ReportFacts, RunFacts, Snapshot, Termination
from controller.plan.transitions import apply
from tests.unit.plan.generated import NOW

RUN, UID, AGENT = "demo", "run-1", "coder"
BUDGET = 3
STEPS = 4000
"""Steps of the simulation after which it counts as endless."""

FIRST = Snapshot(
    run=RunFacts("ns", RUN, UID, generation=1, spec=RunSpec(agents=(Agent(name=AGENT, image="x"),)), created_at=NOW),
    policy=ResolvedPolicy.of("default", RunPolicySpec(restart_budget=BUDGET)),
)
"""A Run that was just applied."""

Says = Callable[[int], tuple[tuple[str, ...], tuple[str, ...]]]
"""The report of an attempt: its questions, and those of them that were answered."""


@dataclass
class Play:
    """One Run whose agent parks at once in each attempt; a human settles the open questions on request."""

    says: Says
    now: datetime = NOW
    snapshot: Snapshot = FIRST

    @property
    def agent(self) -> AgentState:
        """The agent's state."""
        assert self.snapshot.state
        return self.snapshot.state.agents[AGENT]

    def rest(self) -> AgentState:
        """Run until no step is possible without a human, and return the agent's state."""
        for _ in range(STEPS):
            decision = plan(self.snapshot, self.now)
            for action in decision.actions:
                self._do(action)
                if isinstance(action, Transition):
                    break
            if decision.actions:
                continue
            check = decision.verdict.next_check
            if self.snapshot.pods[0].phase == "Running":
                self._park()
            elif check is None or check > self.now + timedelta(hours=12):
                return self.agent  # It waits for a human.
            else:
                self.now = check
        raise AssertionError(f"the agent is at attempt {self.agent.attempt} and goes on")

    def settle(self, decision: Decision | None) -> None:
        """Answer every open question, or dismiss it."""
        questions = tuple(e for e in self.snapshot.escalations if e.type is EscalationType.QUESTION and not e.decision)
        others = tuple(e for e in self.snapshot.escalations if e not in questions)
        answered = tuple(replace(e, decision=decision, answer="yes") for e in questions) if decision else ()
        self.snapshot = replace(self.snapshot, escalations=others + answered)

    def _do(self, action: Action) -> None:
        match action:
            case CreatePod():
                made = PodFacts(action.pod, f"u{action.attempt}", AGENT, action.attempt, UID, gated=True, created_at=self.now)
                self.snapshot = replace(self.snapshot, pods=(made,))
            case Ungate():
                self._speak(action.attempt)
                self.snapshot = adopted(self.snapshot, started_pods(self.snapshot, self.now), self.now)
            case CreateEscalation():
                about = action.inquiry
                new = EscalationFacts(
                    about.name,
                    about.name,
                    UID,
                    AGENT,
                    action.attempt,
                    EscalationPhase.OPEN,
                    type=about.type,
                    question=about.question,
                )
                self.snapshot = replace(self.snapshot, escalations=(*self.snapshot.escalations, new))
            case SetEscalationPhase():
                marked = (
                    replace(e, phase=action.escalation_phase) if e.name == action.escalation else e
                    for e in self.snapshot.escalations
                )
                self.snapshot = replace(self.snapshot, escalations=tuple(marked))
            case DeliverAnswer():
                report = self.snapshot.reports[0]
                if any(e.name == action.escalation for e in self.snapshot.escalations):
                    report = replace(report, deliveries=(*report.deliveries, action.question))
                else:
                    report = replace(report, dismissals=(*report.dismissals, action.question))
                self.snapshot = replace(self.snapshot, reports=(report,))
            case _ if isinstance(action, Transition):
                self.snapshot = replace(self.snapshot, state=apply(self.snapshot, action, self.now))

    def _speak(self, attempt: int) -> None:
        """Start the pod and write the agent's questions into its report."""
        uid, (asked, delivered) = f"u{attempt}", self.says(attempt)
        report = ReportFacts(AGENT, UID, attempt, uid, 1, self.now, 60, self.now, delivered=delivered)
        report = replace(report, questions=tuple(QuestionFacts(name, name) for name in asked))
        for former in self.snapshot.reports:
            report = replace(report, deliveries=former.deliveries, dismissals=former.dismissals)
        name = pod_name(RUN, AGENT, attempt)
        pod = PodFacts(name, uid, AGENT, attempt, UID, phase="Running", bound=True, ready=True, started_at=self.now, reporting=True)
        self.snapshot = replace(self.snapshot, pods=(pod,), reports=(report,))

    def _park(self) -> None:
        """End the pod, parked."""
        end = Termination(76, started_at=self.now, finished_at=self.now)
        pod = replace(self.snapshot.pods[0], phase="Failed", termination=end)
        self.snapshot = replace(self.snapshot, pods=(pod,), reports=(replace(self.snapshot.reports[0], parked=True),))


def _same(_: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return ("q",), ()


def _heeds(attempt: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """A reporter that leaves out questions that were settled before."""
    return (("q",) if attempt == 0 else ()), ()


def _says_delivered(attempt: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return ("q",), ("q",) if attempt else ()


def _in_turn(attempt: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Ask more questions than the state remembers, in turn."""
    return (f"q{attempt % (MAX_ASKED + 2)}",), ()


@pytest.mark.parametrize("decision", [None, Decision.ANSWER], ids=["dismissed", "answered"])
@pytest.mark.parametrize("says", [_same, _heeds, _says_delivered])
def test_one_act_wakes_a_parked_agent_once(says: Says, decision: Decision | None) -> None:
    """After one answer or dismissal the agent may park repeatedly: its restarts are charged or limited as always, then a human
    is asked.
    """
    play = Play(says)
    assert play.rest().attempt == 0
    play.settle(decision)
    state = play.rest()
    assert state.blocked
    assert state.attempt <= 1 + BUDGET + FREE_RESTART_LIMIT
    assert state.attempt == 1 + state.restarts + state.free_restarts


def test_parking_for_a_dismissed_question_is_charged() -> None:
    """Repeating a dismissed question and parking for it costs a charged restart each time."""
    play = Play(_same)
    play.rest()
    play.settle(None)
    state = play.rest()
    assert (state.attempt, state.restarts, state.free_restarts) == (1 + BUDGET, BUDGET, 0)
    assert state.outcome
    assert state.outcome.reason == "ParkedWithoutQuestion"


def test_what_is_forgotten_wakes_nobody() -> None:
    """An agent that repeats more questions than the state remembers still needs an act of a human for each wake-up."""
    play, acts = Play(_in_turn), 0
    while not play.rest().blocked:
        play.settle(Decision.ANSWER)
        acts += 1
    state = play.agent
    assert acts == MAX_ASKED + 2
    assert state.attempt == acts + state.restarts + state.free_restarts


@pytest.mark.parametrize("decision", [None, Decision.ANSWER], ids=["dismissed", "answered"])
def test_each_new_question_that_is_settled_wakes_it_uncharged(decision: Decision | None) -> None:
    """An agent that parks for a new question each time is never charged."""
    play = Play(lambda attempt: ((f"q{attempt}",), ()))
    for acts in range(MAX_ASKED * 2):
        state = play.rest()
        assert (state.attempt, state.restarts, state.free_restarts) == (acts, 0, 0)
        play.settle(decision)
