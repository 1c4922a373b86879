"""The answers to the agents' questions, and their dismissals, as the agents are to read them."""

from __future__ import annotations

from collections.abc import Iterator

from controller.api.escalation import Decision, EscalationType
from controller.plan.actions import DeliverAnswer
from controller.plan.context import PlanContext
from controller.plan.escalations.questions import name_of
from controller.plan.reasons import Reason
from controller.plan.snapshot import EscalationFacts, ReportFacts


def deliveries(at: PlanContext) -> tuple[DeliverAnswer, ...]:
    """Return the deliveries of answers and dismissals to the agents' reports that are due, by name."""
    if at.state is not None and at.state.stop is not None:
        return ()
    answered = (e for e in at.our_escalations(EscalationType.QUESTION) if e.open and e.decision is Decision.ANSWER)
    due = [_deliver(e) for e in sorted(answered, key=lambda e: e.name) if _undelivered(at, e)]
    return (*due, *(action for agent in at.agents for action in _dismissals(at, agent.name)))


def _undelivered(at: PlanContext, escalation: EscalationFacts) -> bool:
    report = at.any_report(escalation.agent)
    return report is not None and escalation.question not in (*report.deliveries, *report.read)


def _deliver(escalation: EscalationFacts) -> DeliverAnswer:
    return DeliverAnswer(
        reason=Reason.ANSWERED,
        agent=escalation.agent,
        attempt=escalation.attempt,
        escalation=escalation.name,
        question=escalation.question,
    )


def _dismissals(at: PlanContext, agent: str) -> Iterator[DeliverAnswer]:
    report = at.any_report(agent)
    for question in dismissed(at, agent) if report else ():
        if report and question not in report.dismissals:
            yield DeliverAnswer(
                reason=Reason.QUESTION_DISMISSED,
                agent=agent,
                attempt=at.agent_state(agent).attempt,
                escalation=name_of(at, agent, question),
                question=question,
            )


def dismissed(at: PlanContext, agent: str) -> tuple[str, ...]:
    """Return the dismissed questions of an agent: those that were delivered to it as dismissed, and those that it still asks."""
    report, asked = at.any_report(agent), at.agent_state(agent).asked
    last = (pod.last_report for pod in at.our_pods() if pod.agent == agent)
    open_ids = {question.id for each in (report, *last) if each for question in each.questions}
    gone = {question for question in open_ids if name_of(at, agent, question) in asked}
    known, answered = (report.dismissals, (*report.deliveries, *report.read)) if report else ((), ())
    found = (question for question in {*known, *gone} if at.escalation(name_of(at, agent, question)) is None)
    return tuple(sorted({*found}.difference(answered)))


def unread_answers(at: PlanContext, agent: str) -> tuple[EscalationFacts, ...]:
    """Return the agent's answered questions with unread answers: they are added to its next attempt's brief."""
    report: ReportFacts | None = at.any_report(agent)
    read = report.read if report else ()
    found = (e for e in at.our_escalations(EscalationType.QUESTION) if e.agent == agent and e.decision is Decision.ANSWER)
    return tuple(e for e in sorted(found, key=lambda e: e.name) if e.question not in read)
