"""Converts the adapter's reply to the record in the operator's state. The gate checks the answer."""

from __future__ import annotations

import hashlib
from datetime import datetime

from controller.adapter.contract import Ended, Reply, Request
from controller.advisor.answer_gate import Answer, judge
from controller.api.advice import AdviceState, AdviceVerdict
from controller.api.base import MAX_COUNT, MAX_TEXT, MAX_WORD
from controller.api.redaction import redact
from controller.plan.inquiries import Consultation

CUT = "…"
"""Ends a text that was cut."""

PERCENT = 100
MILLISECONDS = 1000

VERDICTS = {
    Ended.ABSTAINED: AdviceVerdict.ABSTAINED,
    Ended.AUTH_FAILED: AdviceVerdict.UNAVAILABLE,
    Ended.TEMPORARY: AdviceVerdict.UNAVAILABLE,
    Ended.TIMED_OUT: AdviceVerdict.UNAVAILABLE,
    Ended.FAILED: AdviceVerdict.UNAVAILABLE,
    Ended.MISUSED: AdviceVerdict.UNAVAILABLE,
    Ended.TOO_LONG: AdviceVerdict.REFUSED,
    Ended.BUSY: AdviceVerdict.UNAVAILABLE,
    Ended.SUSPENDED: AdviceVerdict.UNAVAILABLE,
    Ended.UNKNOWN_COMMAND: AdviceVerdict.UNAVAILABLE,
    Ended.UNREACHABLE: AdviceVerdict.UNAVAILABLE,
}
"""Verdict on a consultation that ended without an output. The gate decides about one with an output."""


def advice_of(reply: Reply, request: Request, consultation: Consultation, target_run: str, at: datetime) -> AdviceState:
    """Return the record of a consultation that ended at `at`."""
    bare = AdviceState(
        situation=consultation.situation,
        verdict=VERDICTS.get(reply.ended, AdviceVerdict.UNAVAILABLE),
        reason=reply.ended.value,
        message=cut(redact(reply.detail), MAX_TEXT),
        command=cut(request.command, MAX_WORD),
        model=cut(reply.model or request.model, MAX_WORD),
        prompt_digest=hashlib.sha256(request.prompt.encode()).hexdigest(),
        latency_milliseconds=min(MAX_COUNT, max(0, int(reply.latency_seconds * MILLISECONDS))),
        at=at,
    )
    if reply.ended is not Ended.ANSWERED:
        return bare
    verdict = judge(reply.output, target_run, consultation.allowed)
    return bare.model_copy(update=_accepted(verdict) if isinstance(verdict, Answer) else _refused(verdict.reason, verdict.message))


def _refused(reason: str, message: str) -> dict[str, object]:
    return {"verdict": AdviceVerdict.REFUSED, "reason": str(reason), "message": cut(redact(message), MAX_TEXT)}


def _accepted(answer: Answer) -> dict[str, object]:
    return {
        "verdict": AdviceVerdict.ACCEPTED,
        "reason": AdviceVerdict.ACCEPTED.value,
        "message": "",
        "intent": answer.intent,
        "confidence_percent": int(answer.confidence * PERCENT),
        "needs_human": answer.needs_human,
        "explanation": cut(redact(answer.reason), MAX_TEXT),
        "diagnosis": cut(redact(answer.diagnosis), MAX_TEXT),
        "suggested_answer": cut(redact(answer.suggested_answer), MAX_TEXT),
    }


def cut(text: str, limit: int) -> str:
    """Return a text of at most `limit` characters, with a mark if it was cut."""
    return text if len(text) <= limit else text[: limit - len(CUT)] + CUT
