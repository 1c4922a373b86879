"""Who decides what the rules want: the rules alone, or a human as well. An advisor moves that line only towards the human.

| the rules want | Off | Assist | Auto |
|---|---|---|---|
| restart, stop as stale | do it | ask a human where listed in requireApproval | do it where the advice agrees, else ask |
| to ask a human | ask | ask, with what the advisor suggests | ask, with what the advisor suggests |
| nothing | nothing | nothing | nothing |

There is no cell in which advice makes the operator do what the rules do not want.

A refusal is no failure. Where there is no answer at all, `onFailure` decides. An answer that the gate refuses was given: what an
agent prints may have brought it about, so in mode Auto it agrees to nothing, whatever `onFailure` says.
"""

from __future__ import annotations

from controller.api.advice import AdviceState, AdviceVerdict, AdvisedIntent
from controller.api.policy import LLM, Approvable, LLMMode, OnLLMFailure
from controller.plan.actions import Intent

WANTED = {Approvable.RESTART: Intent.AUTO_RESTART, Approvable.STOP_STALE: Intent.AUTO_STOP_STALE}
"""What the rules want, as an intent; advice of the same name says: do it."""


def needs_human(mode: LLMMode, llm: LLM, wanted: Approvable, advice: AdviceState | None) -> bool:
    """Whether a human decides on a disruptive action that the rules want; without advice (None) none could be asked for."""
    match mode:
        case LLMMode.OFF:
            return False
        case LLMMode.ASSIST:
            return wanted in llm.require_approval or _fails(llm, advice)
        case LLMMode.AUTO:
            return _fails(llm, advice) if _failed(advice) else not agrees(llm, wanted, advice)


def agrees(llm: LLM, wanted: Approvable, advice: AdviceState | None) -> bool:
    """Whether advice says, surely enough and without asking for a human, to do what the rules want."""
    if advice is None or advice.verdict is not AdviceVerdict.ACCEPTED or advice.needs_human:
        return False
    return advice.intent is AdvisedIntent(WANTED[wanted]) and (advice.confidence_percent or 0) >= llm.min_confidence_percent


def _failed(advice: AdviceState | None) -> bool:
    """Whether the advisor gave no answer. One that abstains, or whose answer is refused, was asked and does not agree."""
    return advice is None or advice.verdict is AdviceVerdict.UNAVAILABLE


def _missing(advice: AdviceState | None) -> bool:
    """Whether there is nothing to go by: no answer, or one that the gate refused."""
    return advice is None or advice.verdict in (AdviceVerdict.REFUSED, AdviceVerdict.UNAVAILABLE)


def _fails(llm: LLM, advice: AdviceState | None) -> bool:
    return _missing(advice) and llm.on_failure is OnLLMFailure.ESCALATE
