"""Decides whether an action of the rules needs a human, or the rules decide alone. An advisor can only add a human.

| the rules want | Off | Assist | Auto | |---|---|---|---| | restart, stop as stale | do it | ask a human if listed in
requireApproval | do it if the advice agrees, else ask | | to ask a human | ask | ask, with the advisor's suggestion | ask, with the
advisor's suggestion | | nothing | nothing | nothing | nothing |

In no case does advice make the operator do what the rules do not want.

A refused answer is not a failure of the advisor. If there is no answer at all, `onFailure` decides. An answer that the gate refuses
was given: an agent's output may have caused it, so in mode Auto it counts as no agreement, even if `onFailure` allows it.
"""

from __future__ import annotations

from controller.api.advice import AdviceState, AdviceVerdict, AdvisedIntent
from controller.api.llm_policy import LLM, Approvable, LLMMode, OnLLMFailure
from controller.plan.intents import Intent

WANTED = {Approvable.RESTART: Intent.AUTO_RESTART, Approvable.STOP_STALE: Intent.AUTO_STOP_STALE}
"""The actions of the rules, as intents; advice with the same intent agrees."""


def needs_human(mode: LLMMode, llm: LLM, wanted: Approvable, advice: AdviceState | None) -> bool:
    """Whether a human decides on a disruptive action of the rules; `advice` is None if no advisor could be asked."""
    match mode:
        case LLMMode.OFF:
            return False
        case LLMMode.ASSIST:
            return wanted in llm.require_approval or _fails(llm, advice)
        case LLMMode.AUTO:
            return _fails(llm, advice) if _failed(advice) else not agrees(llm, wanted, advice)


def agrees(llm: LLM, wanted: Approvable, advice: AdviceState | None) -> bool:
    """Whether advice agrees with the rules, with enough confidence and without asking for a human."""
    if advice is None or advice.verdict is not AdviceVerdict.ACCEPTED or advice.needs_human:
        return False
    return advice.intent is AdvisedIntent(WANTED[wanted]) and (advice.confidence_percent or 0) >= llm.min_confidence_percent


def _failed(advice: AdviceState | None) -> bool:
    """Whether the advisor gave no answer. An advisor that abstains, or whose answer is refused, was asked and does not agree."""
    return advice is None or advice.verdict is AdviceVerdict.UNAVAILABLE


def _missing(advice: AdviceState | None) -> bool:
    """Whether there is no usable answer: none was given, or the gate refused it."""
    return advice is None or advice.verdict in (AdviceVerdict.REFUSED, AdviceVerdict.UNAVAILABLE)


def _fails(llm: LLM, advice: AdviceState | None) -> bool:
    return _missing(advice) and llm.on_failure is OnLLMFailure.ESCALATE
