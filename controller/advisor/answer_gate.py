"""The gate: accepts an advisor's output as an answer to exactly this question, or refuses it as a whole.

It is deterministic, total and quick: any bytes result in an `Answer` or a `Refusal`. No part of a refused output is used.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Collection
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from controller.advisor.rejections import Refusal, RefusalReason, shown
from controller.advisor.strict_json import read
from controller.api.advice import AdvisedIntent
from controller.api.base import MAX_TEXT

REQUIRED = ("intent", "target_run", "reason", "confidence", "needs_human")
OPTIONAL = ("diagnosis", "suggested_answer")
"""Fields that may be missing or null, which is equivalent."""

TEXTS = ("intent", "target_run", "reason", *OPTIONAL)

DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Marks that change the direction of text. They would make a human approve another text than the real one."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An accepted answer. The plan acts only on its intent, its confidence (exact, from 0 to 1) and `needs_human`."""

    intent: AdvisedIntent
    reason: str
    confidence: Decimal
    needs_human: bool
    diagnosis: str = ""
    suggested_answer: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """The Run that an answer must be about, and the intents that it may have."""

    target_run: str
    allowed: Collection[AdvisedIntent]


Fields = dict[str, Any]


def judge(output: bytes, target_run: str, allowed: Collection[AdvisedIntent]) -> Answer | Refusal:
    """Return the answer in an output, or the first refusal. Never raises."""
    fields = read(output)
    if isinstance(fields, Refusal):
        return fields
    asked = Question(target_run, allowed)
    for check in CHECKS:
        if refusal := check(fields, asked):
            return refusal
    return Answer(
        intent=AdvisedIntent(fields["intent"]),
        reason=fields["reason"],
        confidence=Decimal(fields["confidence"]),
        needs_human=fields["needs_human"],
        diagnosis=fields.get("diagnosis") or "",
        suggested_answer=fields.get("suggested_answer") or "",
    )


def no_unknown_field(fields: Fields, asked: Question) -> Refusal | None:
    """Refuse a field that is not part of the contract."""
    unknown = [name for name in fields if name not in REQUIRED and name not in OPTIONAL]
    expected = f"the fields are {', '.join(REQUIRED + OPTIONAL)}"
    return Refusal(RefusalReason.UNKNOWN_FIELD, f"{shown(unknown[0])}: is unknown; {expected}") if unknown else None


def no_missing_field(fields: Fields, asked: Question) -> Refusal | None:
    """Refuse an answer without one of its required fields."""
    missing = [name for name in REQUIRED if name not in fields]
    return (
        Refusal(RefusalReason.MISSING_FIELD, f"{missing[0]}: is missing; an answer has all of {', '.join(REQUIRED)}")
        if missing
        else None
    )


def texts_are_texts(fields: Fields, asked: Question) -> Refusal | None:
    """Refuse a text field of another type. An optional one may be null."""
    for name in TEXTS:
        value = fields.get(name)
        if not isinstance(value, str) and not (name in OPTIONAL and value is None):
            return _wrong_type(name, value, "text")
    return None


def needs_human_is_a_boolean(fields: Fields, asked: Question) -> Refusal | None:
    """Refuse all values but true and false."""
    value = fields["needs_human"]
    return None if isinstance(value, bool) else _wrong_type("needs_human", value, "true or false")


def confidence_is_a_number(fields: Fields, asked: Question) -> Refusal | None:
    """Refuse all values but numbers. Neither true nor "0.5" is a number."""
    value = fields["confidence"]
    number = isinstance(value, int | Decimal) and not isinstance(value, bool)
    return None if number else _wrong_type("confidence", value, "a number from 0 to 1")


def texts_are_short(fields: Fields, asked: Question) -> Refusal | None:
    """Refuse a text that is too long to be recorded whole."""
    for name in TEXTS:
        size = len(fields.get(name) or "")
        if size > MAX_TEXT:
            return Refusal(RefusalReason.TEXT_TOO_LONG, f"{name}: has {size} characters; at most {MAX_TEXT} are accepted")
    return None


def texts_are_clean(fields: Fields, asked: Question) -> Refusal | None:
    """Refuse characters that would harm a terminal, a log or a UTF-8 encoder."""
    for name in TEXTS:
        bad = next(filter(_unclean, fields.get(name) or ""), None)
        if bad:
            return Refusal(
                RefusalReason.CONTROL_CHARACTERS,
                f"{name}: has {shown(bad)}; newlines and tabs are the only control characters allowed",
            )
    return None


def target_is_this_run(fields: Fields, asked: Question) -> Refusal | None:
    """Refuse an answer unless its target is exactly the Run of the question."""
    target = fields["target_run"]
    expected = f"this consultation is about {shown(asked.target_run)}"
    return (
        None if target == asked.target_run else Refusal(RefusalReason.OTHER_TARGET, f"target_run: is {shown(target)}; {expected}")
    )


def intent_is_allowed(fields: Fields, asked: Question) -> Refusal | None:
    """Refuse an intent that is unknown or that the rules do not offer here: advice narrows, it never widens."""
    intent = fields["intent"]
    if intent in tuple(asked.allowed):
        return None
    if intent in tuple(AdvisedIntent):
        offered = f"allowed here: {', '.join(asked.allowed) or 'nothing'}"
        return Refusal(RefusalReason.INTENT_NOT_ALLOWED, f"intent: is {shown(intent)}; {offered}")
    return Refusal(RefusalReason.UNKNOWN_INTENT, f"intent: is {shown(intent)}; the intents are {', '.join(AdvisedIntent)}")


def confidence_is_in_range(fields: Fields, asked: Question) -> Refusal | None:
    """Refuse a confidence below 0 or above 1."""
    value = fields["confidence"]
    expected = "confidence is a number from 0 to 1"
    in_range = 0 <= value <= 1
    return None if in_range else Refusal(RefusalReason.CONFIDENCE_OUT_OF_RANGE, f"confidence: is {str(value)[:40]}; {expected}")


Check = Callable[[Fields, Question], Refusal | None]

CHECKS: tuple[Check, ...] = (
    no_unknown_field,
    no_missing_field,
    texts_are_texts,
    needs_human_is_a_boolean,
    confidence_is_a_number,
    texts_are_short,
    texts_are_clean,
    target_is_this_run,
    intent_is_allowed,
    confidence_is_in_range,
)
"""All checks of an answer's fields, in order. Later checks rely on the types that earlier ones have checked."""


def _wrong_type(name: str, value: Any, expected: str) -> Refusal:
    return Refusal(RefusalReason.WRONG_TYPE, f"{name}: is {shown(value)}; {expected} is expected")


def _unclean(character: str) -> bool:
    return (unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") and character not in "\n\t") or character in DIRECTIONS
