"""Consults the advisor, once per situation, before a human is asked or an action of the rules is done.

The answer is part of the next snapshot, so the plan stays a pure function. It is recorded before anything follows from it.
"""

from __future__ import annotations

from controller.api.advice import AdviceState, AdviceVerdict, AdvisedIntent
from controller.api.escalation import Suggestion
from controller.api.llm_policy import LLMMode
from controller.plan.actions import Consult, RecordAdvice
from controller.plan.context import PlanContext
from controller.plan.decisions import AgentDecision, Wait
from controller.plan.inquiries import Consultation
from controller.plan.intents import Intent
from controller.plan.reasons import Reason

ASK = (AdvisedIntent.ESCALATE_BLOCKED, AdvisedIntent.ESCALATE_GUIDANCE)
INSTEAD: dict[Intent, tuple[AdvisedIntent, ...]] = {
    Intent.AUTO_RESTART: ASK,
    Intent.AUTO_STOP_STALE: ASK,
    Intent.ESCALATE_GUIDANCE: (),
    Intent.ESCALATE_BLOCKED: (),
}
ALLOWED = {wanted: (AdvisedIntent(wanted), *instead, AdvisedIntent.NOOP) for wanted, instead in INSTEAD.items()}
"""The advisor's possible answers, by the intent of the rules: that intent, or less. The gate refuses any other answer."""


def ask(at: PlanContext, agent: str, matter: Consultation) -> AgentDecision | None:
    """Return the next step of a consultation, None once it is recorded or if none is due.

    None is due if the mode is Off, in a dry run, and if a human was already asked about the same situation.
    """
    if at.mode is LLMMode.OFF or at.dry_run or at.advice(agent, matter.situation) or _human_asked(at, agent, matter):
        return None
    begun = at.consultation(agent, matter.situation)
    waits = Wait(Reason.CONSULTING, f"agent {agent}: the advisor is asked about {matter.reason}", None)
    attempt = at.agent_state(agent).attempt
    if begun is None:
        return AgentDecision((Consult(reason=matter.reason, agent=agent, attempt=attempt, consultation=matter),), hold=waits)
    if begun.advice is None:
        return AgentDecision(hold=waits)
    return AgentDecision((RecordAdvice(reason=matter.reason, agent=agent, attempt=attempt, advice=begun.advice),), hold=waits)


def _human_asked(at: PlanContext, agent: str, matter: Consultation) -> bool:
    return at.name_in_inbox(matter.situation) or matter.situation in at.agent_state(agent).asked


def suggestion(at: PlanContext, agent: str, situation: str) -> Suggestion | None:
    """Return the advisor's suggestion to a human who is asked to help or to approve; None without one."""
    advice = _accepted(at, agent, situation)
    return Suggestion(text=in_words(advice), advisor=advice.command) if advice else None


def without(at: PlanContext, agent: str, situation: str) -> str:
    """Return why the escalation contains no advice, as a paragraph; empty if it has some, or if no advisor was asked."""
    advice = at.advice(agent, situation)
    return (
        ""
        if advice is None or advice.verdict is AdviceVerdict.ACCEPTED
        else f"The advisor {advice.command} {why_none(advice)}.\n\n"
    )


def why_none(advice: AdviceState) -> str:
    """Return the result of a consultation without usable advice."""
    why = ": ".join(filter(None, (advice.reason, advice.message)))
    return WHY[advice.verdict].format(why=why)


WHY = {
    AdviceVerdict.ABSTAINED: "has no advice on this",
    AdviceVerdict.REFUSED: "gave an answer that was refused: {why}",
    AdviceVerdict.UNAVAILABLE: "was unavailable: {why}",
}


def suggested_answer(at: PlanContext, agent: str, situation: str, options: tuple[str, ...]) -> Suggestion | None:
    """Return the advisor's answer for a human to accept unchanged; it is one of the options, if there are any."""
    advice = _accepted(at, agent, situation)
    text = advice.suggested_answer.strip() if advice else ""
    fitting = next((option for option in options if option.casefold() == text.casefold()), "") if options else text
    return Suggestion(text=fitting, advisor=advice.command) if advice and fitting else None


def _accepted(at: PlanContext, agent: str, situation: str) -> AdviceState | None:
    advice = at.advice(agent, situation)
    return advice if advice and advice.verdict is AdviceVerdict.ACCEPTED else None


def in_words(advice: AdviceState, between: str = "\n\n") -> str:
    """Return accepted advice as text: the intent, its confidence and its explanation, then the diagnosis."""
    human = ", and wants a human to decide" if advice.needs_human else ""
    text = f"{advice.intent} ({advice.confidence_percent} % sure{human}): {advice.explanation}"
    return f"{text}{between}Diagnosis: {advice.diagnosis}" if advice.diagnosis else text
