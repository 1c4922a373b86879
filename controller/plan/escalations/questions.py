"""The agents' questions: each becomes one escalation. `answers` has what the agents are to read of the answers.

The escalation's name identifies the Run and the question, not the attempt: after a restart the same question has the same name.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from controller.api.base import MAX_SECONDS
from controller.api.escalation import Decision, EscalationPhase, EscalationType
from controller.api.names import escalation_name
from controller.api.operator_state import MAX_ASKED, AgentState, OutcomeResult
from controller.api.policy import OnQuestionTimeout
from controller.api.timestamps import later
from controller.plan import allowance
from controller.plan.actions import Action, CreateEscalation, NoteDismissal, RememberQuestion
from controller.plan.attempts import stall_detection
from controller.plan.context import PlanContext
from controller.plan.decisions import Wait
from controller.plan.escalations import consultation
from controller.plan.inquiries import Consultation, Inquiry
from controller.plan.intents import Intent
from controller.plan.reasons import Reason
from controller.plan.snapshot import EscalationFacts, QuestionFacts, ReportFacts, Snapshot

SUMMARY_CHARACTERS = 80
"""Maximum characters of a question in one line."""


def name_of(at: PlanContext, agent: str, question: str) -> str:
    """Return the deterministic name of a question's escalation."""
    return at.question_name(agent, question)


def asked_names(snapshot: Snapshot) -> set[str]:
    """Return the escalation names of all questions that agents ask now, or asked before they parked, existing or not."""
    run = snapshot.run
    reports = [*snapshot.reports, *(pod.last_report for pod in snapshot.pods if pod.last_report)]
    asked = ((report.agent, question.id) for report in reports for question in report.questions)
    say_so = {report.agent for report in reports if report.parked}
    agents = snapshot.state.agents if snapshot.state else {}
    parked = (agent for name, agent in agents.items() if name in say_so or _is_parked(agent))
    names = {escalation_name(run.name, agent, run.uid, EscalationType.QUESTION, question) for agent, question in asked}
    return names.union(*(agent.asked for agent in parked))


def _is_parked(agent: AgentState) -> bool:
    return agent.outcome is not None and agent.outcome.result is OutcomeResult.PARKED


def open_questions(at: PlanContext, agent: str, *, for_delivery: bool = True) -> tuple[QuestionFacts, ...]:
    """Return the questions of the agent's current attempt that wait for an answer.

    With `for_delivery` those whose answer is on its way count too. A question whose escalation a human deleted is dismissed.
    """
    report = at.report(agent)
    asked = report.questions if report else ()
    return tuple(q for q in asked if report and q.id not in report.delivered and _open(at, agent, q, for_delivery))


def _open(at: PlanContext, agent: str, question: QuestionFacts, for_delivery: bool) -> bool:
    found = at.escalation(name := name_of(at, agent, question.id))
    if found is None:
        return name not in at.agent_state(agent).asked
    return found.open and (for_delivery or found.decision is None)


def parked_for(at: PlanContext, agent: str) -> bool:
    """Whether a parked agent waits for a question that a human has neither answered nor dismissed.

    The state's own record counts if the report of the parking is gone: it may have been the final report of a deleted pod.
    """
    if open_questions(at, agent, for_delivery=False):
        return True
    report, asked = at.report(agent), at.agent_state(agent).asked
    return not (report and report.parked) and any(e.name in asked for e in _unanswered(at))


def settled(at: PlanContext, agent: str) -> tuple[str, ...]:
    """Return which escalations in the state of a parking agent were answered or dismissed by a human.

    Only a human's action counts, never a reporter's claim.
    """
    return tuple(name for name in at.agent_state(agent).asked if (found := at.escalation(name)) is None or found.decision)


def wakes(at: PlanContext, agent: str) -> Reason | None:
    """Return why a parked agent that waits for nothing is woken; None if every answer and dismissal has woken it before."""
    fresh = [name for name in settled(at, agent) if name not in at.agent_state(agent).woken_for]
    if not fresh:
        return None
    return Reason.ANSWER_GIVEN if any(at.escalation(name) for name in fresh) else Reason.QUESTION_DISMISSED


def known(at: PlanContext, report: ReportFacts) -> tuple[str, ...]:
    """Return the questions of a report whose answer or dismissal has woken its agent before."""
    woken_for = at.agent_state(report.agent).woken_for
    return tuple(q.id for q in report.questions if name_of(at, report.agent, q.id) in woken_for)


def escalation_actions(at: PlanContext, agent: str) -> tuple[Action, ...]:
    """Return the actions that are due for an agent's questions: an escalation for each new one, and its name in the state."""
    new = [question for question in open_questions(at, agent) if name_of(at, agent, question.id) not in at.agent_state(agent).asked]
    asked = [question for question in new if at.name_in_inbox(name_of(at, agent, question.id))]
    others = [question for question in new if question not in asked][: allowance.may_ask(at, agent)]
    return tuple(action for question in (*asked, *others) if (action := _ask(at, agent, question)))


def notices(at: PlanContext, agent: str) -> tuple[NoteDismissal, ...]:
    """Return the records that are due of a running agent's dismissed questions."""
    report, attempt = at.report(agent), at.agent_state(agent).attempt
    names = stall_detection.unnoticed_dismissals(at, report) if report else ()
    return tuple(NoteDismissal(reason=Reason.QUESTION_DISMISSED, agent=agent, attempt=attempt, escalation=name) for name in names)


def _ask(at: PlanContext, agent: str, question: QuestionFacts) -> Action | None:
    name = name_of(at, agent, question.id)
    found = at.escalation(name)
    if name in at.agent_state(agent).asked or (found and found.decision):
        return None
    if consulted := consultation.ask(at, agent, _matter(name, question)):
        return next(iter(consulted.actions), None)
    inquiry, attempt = _inquiry(at, agent, name, question), at.agent_state(agent).attempt
    if at.name_in_inbox(name):
        return RememberQuestion(reason=Reason.QUESTION_ASKED, agent=agent, attempt=attempt, inquiry=inquiry)
    return CreateEscalation(
        intent=Intent.ESCALATE_GUIDANCE, reason=Reason.QUESTION_ASKED, agent=agent, attempt=attempt, inquiry=inquiry
    )


def _matter(name: str, question: QuestionFacts) -> Consultation:
    wanted, reason = Intent.ESCALATE_GUIDANCE, Reason.QUESTION_ASKED
    return Consultation(name, wanted, reason, "", consultation.ALLOWED[wanted], question.text, question.options)


def _inquiry(at: PlanContext, agent: str, name: str, question: QuestionFacts) -> Inquiry:
    seconds = at.policy.question_timeout_seconds if at.policy else None
    expires_at = later(at.floor, seconds) if seconds else None
    summary = f"{agent} asks: {one_line(question.text)}"
    return Inquiry(
        name,
        summary,
        question.text,
        expires_at,
        EscalationType.QUESTION,
        question.id,
        question.options,
        suggestion=consultation.suggested_answer(at, agent, name, question.options),
    )


def one_line(text: str) -> str:
    """Return a text as one short line."""
    flat = " ".join(text.split())
    return flat if len(flat) <= SUMMARY_CHARACTERS else flat[: SUMMARY_CHARACTERS - 1] + "…"


def hold(at: PlanContext, agent: str, questions: tuple[QuestionFacts, ...]) -> Wait:
    """Return why an agent waits."""
    more = f" (and {len(questions) - 1} more)" if questions[1:] else ""
    text = f"asks: {one_line(questions[0].text)}{more}" if questions else "is parked until its question is answered"
    return Wait(Reason.AWAITING_GUIDANCE, f"agent {agent} {text}", _earliest_end(at))


def timed_out(at: PlanContext) -> EscalationFacts | None:
    """Return a question that nobody answered in time, if the policy stops the Run for that."""
    if not _stops_the_run(at):
        return None
    return next((e for e in _unanswered(at) if (expires_at := expiry(at, e)) and at.now >= expires_at), None)


def times_out_at(at: PlanContext) -> datetime | None:
    """Return when an unanswered question stops the Run, also one that its agent no longer asks; None if none does."""
    return _earliest_end(at) if _stops_the_run(at) else None


def _stops_the_run(at: PlanContext) -> bool:
    return at.policy is not None and at.policy.on_question_timeout is OnQuestionTimeout.STOP


def _earliest_end(at: PlanContext) -> datetime | None:
    ends = (expiry(at, escalation) for escalation in _unanswered(at))
    return min((end for end in ends if end and end > at.now), default=None)


def expiry(at: PlanContext, escalation: EscalationFacts) -> datetime | None:
    """Return when a question times out, None if it never does; pauses and halts since it was asked do not count."""
    seconds = at.agent_state(escalation.agent).prolonged.get(escalation.name, 0)
    return later(escalation.expires_at, seconds) if escalation.expires_at else None


def prolonged(at: PlanContext, agent: str, seconds: int) -> dict[str, int]:
    """Return the seconds by which pauses have prolonged the time for each open question of an agent, after one of so many."""
    before = at.agent_state(agent).prolonged
    timed = [e.name for e in _unanswered(at) if e.agent == agent and e.expires_at]
    return {name: min(before.get(name, 0) + seconds, MAX_SECONDS) for name in timed[-MAX_ASKED:]}


def _unanswered(at: PlanContext) -> Iterator[EscalationFacts]:
    ours = sorted(at.our_escalations(EscalationType.QUESTION), key=lambda e: e.name)
    return (e for e in ours if e.open and e.decision is None)


def phase(at: PlanContext, escalation: EscalationFacts) -> EscalationPhase:
    """Return the phase that a question's open escalation should have now."""
    stop = at.state.stop if at.state else None
    report = at.any_report(escalation.agent)
    if escalation.decision is Decision.ANSWER and report and escalation.question in (*report.delivered, *report.read):
        return EscalationPhase.DELIVERED
    if stop is not None:
        expires_at = expiry(at, escalation)
        timed_out = stop.reason == Reason.QUESTION_TIMEOUT and expires_at and expires_at <= stop.at
        return EscalationPhase.EXPIRED if timed_out and not escalation.decision else EscalationPhase.SUPERSEDED
    if at.completed(escalation.agent) or (escalation.decision is None and allowance.overtaken(at, escalation)):
        return EscalationPhase.SUPERSEDED
    return EscalationPhase.ANSWERED if escalation.decision else EscalationPhase.OPEN
