"""Pure: an advisor's answer about an agent as text, and the operator's verdict on it."""

from __future__ import annotations

from pydantic import ValidationError

from controller.api.advice import AdviceState, AdviceVerdict
from controller.api.base import parse
from controller.cli.rw.objects import JsonObject
from controller.plan.escalations import consultation

MILLISECONDS = 1000


def in_words(recorded: JsonObject) -> str:
    """Return a consultation from the status as one line; empty if there was none, or if it is unreadable."""
    try:
        advice = parse(AdviceState, recorded)
    except ValidationError:
        return ""
    who = "advisor " + "/".join(filter(None, (advice.command, advice.model)))
    if advice.verdict is not AdviceVerdict.ACCEPTED:
        return f"{who} {consultation.why_none(advice)}"
    took = f"{advice.latency_milliseconds / MILLISECONDS:.1f} s"
    answer = f"; it would answer: {advice.suggested_answer}" if advice.suggested_answer else ""
    return f"{who} says {' '.join(consultation.in_words(advice, '. ').split())}{answer} (accepted, {took})"
