"""Why the gate refuses an answer: one constant a reason, with the sentence that documents it. The values are API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from controller.plan.reasons import DocumentedEnum

MAX_SHOWN = 80
"""Characters of a refused value that a message shows."""


class RefusalReason(DocumentedEnum):
    """Why the gate refuses an answer."""

    # The output as a whole
    TOO_LONG = "TooLong", "The output is longer than an answer may be."
    NOT_UTF8 = "NotUTF8", "The output is not UTF-8."
    TOO_DEEP = "TooDeep", "The output nests deeper than anything that an answer could hold."
    NOT_JSON = "NotJSON", "The output is not JSON, or has text before its JSON."
    NOT_ONE_DOCUMENT = "NotOneDocument", "The output goes on after its JSON document."
    DUPLICATE_KEY = "DuplicateKey", "An object of the output has a key twice, so it says two things."
    NOT_FINITE = "NotFinite", "The output has NaN or Infinity, which JSON has not."
    HUGE_NUMBER = "HugeNumber", "The output has a number that no field could hold."
    NOT_AN_OBJECT = "NotAnObject", "The output is JSON, but no object."

    # Its fields
    UNKNOWN_FIELD = "UnknownField", "The answer has a field that is not part of the contract."
    MISSING_FIELD = "MissingField", "The answer lacks a field that the contract requires."
    WRONG_TYPE = "WrongType", "A field of the answer has another type than the contract says; nothing is coerced."
    TEXT_TOO_LONG = "TextTooLong", "A text of the answer is longer than it can be kept."
    CONTROL_CHARACTERS = (
        "ControlCharacters",
        "A text of the answer holds control characters, unpaired surrogates, or marks that turn its direction.",
    )

    # What it says
    OTHER_TARGET = "OtherTarget", "The answer is about another Run than the one that was asked about."
    UNKNOWN_INTENT = "UnknownIntent", "The answer wants something that the operator has no word for."
    INTENT_NOT_ALLOWED = "IntentNotAllowed", "The answer wants more than the rules allow in this situation."
    CONFIDENCE_OUT_OF_RANGE = "ConfidenceOutOfRange", "The answer's confidence is not between 0 and 1."


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer of which nothing is used, and why; `message` names field, value and what is expected."""

    reason: RefusalReason
    message: str


def shown(value: Any) -> str:
    """Return a value as a message can hold it: printable ASCII, and cut."""
    text = ascii(value[:MAX_SHOWN] if isinstance(value, str) else value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."
