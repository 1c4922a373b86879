"""The guards of reports, questions and answers, switched off one at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from unittest.mock import patch

from controller.api.escalation import EscalationPhase, EscalationType
from controller.api.llm_policy import Approvable
from controller.api.operator_state import OperatorState, OutcomeResult
from controller.api.run import Agent
from controller.plan import outcomes, transitions
from controller.plan.actions import Action, RememberQuestion, ReserveAttempt
from controller.plan.attempts import restarts, stall_detection
from controller.plan.context import PlanContext
from controller.plan.decisions import AgentDecision
from controller.plan.escalations import answers, approvals, questions
from controller.plan.intents import Charge
from controller.plan.reasons import Reason
from controller.plan.rules import agent_rules, health_rules
from controller.plan.snapshot import EscalationFacts, PodFacts, QuestionFacts, ReportFacts
from controller.reconcile.actions.deliver_answer import delivery_body
from tests.model import bridge, world_steps
from tests.model.bridge import Name, View
from tests.model.mutant import Mutant, agent_rule
from tests.model.world import World


def _of_any_age(at: PlanContext, agent: Agent) -> ReportFacts | None:
    pod = at.own_pod(agent.name)
    return at.report(agent.name) if pod and not pod.terminated and not pod.deleting else None


def _of_any_pod(at: PlanContext, agent: str, attempt: int, pod_uid: str, pod: Any) -> ReportFacts | None:
    """Return the current report, from any pod."""
    found = at.any_report(agent)
    return replace(found, attempt=attempt, pod_uid=pod_uid) if found else None


def _not_the_newest(at: PlanContext, agent: str, attempt: int, pod_uid: str, pod: Any) -> ReportFacts | None:
    """Return the oldest known report of the pod."""
    found = [r for r in (at.any_report(agent), pod.last_report if pod else None) if r]
    true = (r for r in found if pod_uid and r.pod_uid == pod_uid and r.attempt == attempt)
    return min(true, key=lambda r: r.seq, default=None)


def _without_last_word(at: PlanContext, agent: str, attempt: int, pod_uid: str, _: Any) -> ReportFacts | None:
    return _newest(at, agent, attempt, pod_uid, None)


_newest = PlanContext._newest


def _stalled_first(at: PlanContext, agent: Agent) -> AgentDecision | None:
    """Restart an idle agent even if it has open questions."""
    return health_rules.stalled(at, agent) or _asking(at, agent)


_asking = agent_rules.asking


def _restarted_at_once(at: PlanContext, agent: Agent) -> AgentDecision | None:
    parked = _parked(at, agent)
    return parked and restarts.reserve(at, agent, Reason.ANSWER_GIVEN, Charge.UNCHARGED)


_parked = agent_rules.parked


def _woken_again(at: PlanContext, agent: Agent) -> AgentDecision | None:
    """Start a parked agent again while it waits for no answer, even if the same answers have woken it before."""
    parked = _parked(at, agent)
    over = parked is None and (end := at.outcome(agent.name)) is not None and end.result is OutcomeResult.PARKED
    return restarts.reserve(at, agent, Reason.ANSWER_GIVEN, Charge.UNCHARGED) if over else parked


def _claimed(at: PlanContext, agent: str) -> tuple[str, ...]:
    """Treat the answers that a reporter claims to have delivered as settled."""
    report = at.report(agent)
    said = report.delivered if report else ()
    return (*_settled(at, agent), *(name for q in said if (name := questions.name_of(at, agent, q)) in at.agent_state(agent).asked))


def _only_dismissed(at: PlanContext, agent: str) -> tuple[str, ...]:
    return tuple(name for name in _settled(at, agent) if at.escalation(name) is None)


_settled = questions.settled


def _consumes_dismissals(at: PlanContext, state: OperatorState, action: ReserveAttempt) -> OperatorState:
    with patch.object(questions, "settled", _only_dismissed):
        return _reserve(at, state, action)


_reserve = transitions._reserve


def _free_at_once(at: PlanContext, agent: Agent) -> AgentDecision | None:
    """Restart without a cooldown an agent that parks without a new question."""
    move, end = _parked(at, agent), at.outcome(agent.name)
    idle = move is None and end is not None and end.reason in (Reason.PARKED, Reason.PARKED_WITHOUT_QUESTION)
    charge = Charge.FREE if idle and end and end.reason == Reason.PARKED else Charge.BUDGET
    return restarts.reserve(at, agent, Reason.PARKED, charge) if idle else move


def _asked_again(at: PlanContext, agent: str) -> tuple[Action, ...]:
    """Create a missing escalation again, although the state remembers it."""
    remembered = at.agent_state(agent).asked
    due = _asks(PlanContext(_forgetting(at, agent), at.now), agent)
    return tuple(action for action in due if not isinstance(action, RememberQuestion) or action.escalation not in remembered)


_asks = questions.escalation_actions


def _forgetting(at: PlanContext, agent: str) -> Any:
    state = at.state
    if state is None or agent not in state.agents:
        return at.snapshot
    forgetful = {**state.agents, agent: state.agents[agent].model_copy(update={"asked": ()})}
    return replace(at.snapshot, state=state.model_copy(update={"agents": forgetful}))


def _open_if_absent(at: PlanContext, agent: str, question: QuestionFacts, for_delivery: bool) -> bool:
    """Ignore a dismissal by deletion of the escalation."""
    return at.escalation(questions.name_of(at, agent, question.id)) is None or _open(at, agent, question, for_delivery)


_open = questions._open


def _delivered_unseen(at: PlanContext, escalation: EscalationFacts) -> EscalationPhase:
    """Treat an answer as delivered once the operator has put it into the report."""
    report = at.any_report(escalation.agent)
    on_its_way = report is not None and escalation.question in report.deliveries
    return EscalationPhase.DELIVERED if on_its_way else _phase(at, escalation)


_phase = questions.phase


def _only_open(at: PlanContext, agent: str, *, for_delivery: bool = False) -> tuple[QuestionFacts, ...]:
    """Stop waiting after the decision, even before the answer is delivered."""
    return _waiting(at, agent, for_delivery=False)


_waiting = questions.open_questions


def _until_delivered(at: PlanContext, agent: str) -> bool:
    """Let a parked agent wait for the delivery of an answer, which only its next attempt could receive."""
    return bool(_waiting(at, agent))


def _by_report_alone(at: PlanContext, agent: str) -> bool:
    return bool(_waiting(at, agent, for_delivery=False))


def _any_answer(at: PlanContext, agent: str, wanted: Approvable, found: EscalationFacts) -> AgentDecision | None:
    return None if found.decision is not None else _judged(at, agent, wanted, found)


_judged = approvals._judged


def _requested_again(at: PlanContext, agent: str, *args: Any) -> AgentDecision | None:
    """Forget that a human was asked once the request is deleted."""
    held = _gate(at, agent, *args)
    denied = held is not None and held.hold is not None and held.hold.reason is Reason.DENIED
    if not denied or any(at.our_escalations(EscalationType.APPROVAL)):
        return held
    return _gate(PlanContext(_forgetting(at, agent), at.now), agent, *args)


_gate = approvals.require_approval


def _without_others(report: Any, *args: Any) -> Any:
    return delivery_body({**report, "spec": {"deliveries": []}}, *args)


def _kubelet_only(*_: Any, **__: Any) -> None:
    return None


def _charged_when_answered(report: ReportFacts, *args: Any, **named: Any) -> Any:
    waits = {q.id for q in report.questions} - set(report.delivered)
    return _reported(replace(report, parked=report.parked and bool(waits)), *args, **named)


_reported = outcomes._reported


def _reports_before_pods(self: world_steps.Operators, world: World, view: View, names: tuple[Name, ...], stage: int) -> View:
    """Keep the reports as they were when the Run was read."""
    seen = _look(self, world, view, names, stage)
    return seen if stage == 0 or view.run is None else seen._replace(reports=view.reports)


_look = world_steps.Operators._look


def _reporting(_: Any, pods: tuple[PodFacts, ...]) -> set[str]:
    return {pod.agent for pod in pods if pod.reporting}


SPEAKING: tuple[Mutant, ...] = (
    Mutant(
        "report-not-read",
        "the report of a deleted pod is read only if the cache knows it",
        ("vanished",),
        lambda: [(bridge, "reporting_agents", _reporting)],
    ),
    Mutant(
        "old-report-proves",
        "an idle report of any age proves a stall",
        ("stalled",),
        lambda: [(stall_detection, "_fresh", _of_any_age)],
    ),
    Mutant(
        "report-of-any-pod",
        "the current report counts for the current attempt, from any pod",
        ("stalled-again", "result"),
        lambda: [(PlanContext, "_newest", _of_any_pod)],
    ),
    Mutant(
        "oldest-report",
        "of two reports of a pod the older counts",
        ("result",),
        lambda: [(PlanContext, "_newest", _not_the_newest)],
    ),
    Mutant(
        "no-last-word",
        "the termination message in a pod's status does not count",
        ("result",),
        lambda: [(PlanContext, "_newest", _without_last_word)],
    ),
    Mutant(
        "reports-before-pods",
        "reports are read before pods, so that a pod's end may be seen without its last report",
        ("result-late",),
        lambda: [(world_steps.Operators, "_look", _reports_before_pods)],
    ),
    Mutant(
        "result-ignored",
        "an agent's reported result does not count",
        ("result",),
        lambda: [(outcomes, "_reported", _kubelet_only)],
    ),
    Mutant(
        "clocks-run-on",
        "the clocks of an agent run on while it waits for an answer",
        ("waiting",),
        lambda: agent_rule("asking", _stalled_first),
    ),
    Mutant(
        "answered-waits-no-more",
        "an agent whose answer is on its way counts as idle",
        ("waiting",),
        lambda: [(questions, "open_questions", _only_open)],
    ),
    Mutant(
        "clocks-not-renewed",
        "an agent's clocks do not restart when it gets its answer",
        ("waiting",),
        lambda: [(stall_detection, "_since", lambda at, report, base: base)],
    ),
    Mutant(
        "clocks-renewed-late",
        "an agent's clocks restart only when it is on record that it got its answer",
        ("waiting",),
        lambda: [(stall_detection, "_got_at", lambda _, question: question.delivered_at)],
    ),
    Mutant(
        "dismissal-not-noticed",
        "an agent's clocks do not restart when a human dismisses its question",
        ("waiting",),
        lambda: [(stall_detection, "_dismissed_at", lambda *_: ())],
    ),
    Mutant(
        "parked-waits-not",
        "a parked agent is started again at once",
        ("parked",),
        lambda: agent_rule("parked", _restarted_at_once),
    ),
    Mutant(
        "parked-by-report",
        "only the report shows a parked agent's questions",
        ("parked-dismissed",),
        lambda: [(questions, "parked_for", _by_report_alone)],
    ),
    Mutant(
        "parked-for-ever",
        "a parked agent waits until its answer is delivered",
        ("parked",),
        lambda: [(questions, "parked_for", _until_delivered)],
    ),
    Mutant(
        "parked-is-charged",
        "an agent that parks is charged if its answer came while it was ending",
        ("parked",),
        lambda: [(outcomes, "_reported", _charged_when_answered)],
    ),
    Mutant(
        "woken-again",
        "a dismissal or an answer wakes a parked agent repeatedly (finding 9)",
        ("parked-again", "parked-answered"),
        lambda: [*agent_rule("parked", _woken_again), (questions, "known", lambda *_: ())],
    ),
    Mutant(
        "answer-not-used-up",
        "only a dismissal is remembered as having woken its agent",
        ("parked-answered",),
        lambda: [(transitions, "_reserve", _consumes_dismissals)],
    ),
    Mutant(
        "known-is-new",
        "an agent may park for a question that has woken it before",
        ("parked-again",),
        lambda: [(questions, "known", lambda *_: ())],
    ),
    Mutant(
        "claimed-is-settled",
        "an answer that a reporter claims to have delivered counts as answered",
        ("parked-lies",),
        lambda: [(questions, "settled", _claimed)],
    ),
    Mutant(
        "free-for-ever",
        "restarts without charge have no limit",
        ("parked-lies",),
        lambda: [(restarts, "free_left", lambda *_: 1)],
    ),
    Mutant(
        "parked-at-once",
        "an agent that parks for nothing new waits for no cooldown",
        ("parked-cooldown",),
        lambda: agent_rule("parked", _free_at_once),
    ),
    Mutant(
        "asked-forgotten",
        "a question is asked again if its escalation is missing, although the state remembers it",
        ("dismissed",),
        lambda: [(questions, "escalation_actions", _asked_again), (questions, "_open", _open_if_absent)],
    ),
    Mutant(
        "dismissed-waits",
        "a parked agent waits on although a human has deleted its question",
        ("parked-dismissed",),
        lambda: [(questions, "_open", _open_if_absent)],
    ),
    Mutant(
        "delivered-unseen",
        "an answer counts as delivered before the reporter confirms it",
        ("ask-question",),
        lambda: [(questions, "phase", _delivered_unseen)],
    ),
    Mutant(
        "delivered-again",
        "a delivered answer is delivered again",
        ("ask-question",),
        lambda: [(answers, "_undelivered", lambda *_: True)],
    ),
    Mutant(
        "gate-open",
        "no restart waits for approval",
        ("approval", "advised"),
        lambda: [(approvals, "require_approval", lambda *_: None)],
    ),
    Mutant(
        "denied-is-leave",
        "any answer to a request counts as approval",
        ("approval",),
        lambda: [(approvals, "_judged", _any_answer), (approvals, "_denial_stands", lambda *_: False)],
    ),
    Mutant(
        "request-dismissed",
        "a request that a human deletes is made again",
        ("approval",),
        lambda: [(approvals, "require_approval", _requested_again)],
    ),
    Mutant(
        "deliveries-replaced",
        "a delivery replaces the others",
        ("two-questions",),
        lambda: [(bridge, "delivery_body", _without_others)],
    ),
)
