"""The gate's reasons to refuse an answer, each with the sentence that documents it. The values are API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from controller.plan.reasons import DocumentedEnum

MAX_SHOWN = 80
"""Maximum characters of a refused value in a message."""


class RefusalReason(DocumentedEnum):
    """The gate's reasons to refuse an answer."""

    # The output as a whole
    TOO_LONG = "TooLong", "The output is longer than an answer may be."
    NOT_UTF8 = "NotUTF8", "The output is not UTF-8."
    TOO_DEEP = "TooDeep", "The output nests deeper than an answer could."
    NOT_JSON = "NotJSON", "The output is not JSON, or has text before its JSON."
    NOT_ONE_DOCUMENT = "NotOneDocument", "The output continues after its JSON document."
    DUPLICATE_KEY = "DuplicateKey", "An object of the output has a key twice, so it is ambiguous."
    NOT_FINITE = "NotFinite", "The output has NaN or Infinity, which are not valid JSON."
    HUGE_NUMBER = "HugeNumber", "The output has a number that no field could hold."
    NOT_AN_OBJECT = "NotAnObject", "The output is JSON, but not an object."

    # Its fields
    UNKNOWN_FIELD = "UnknownField", "The answer has a field that is not part of the contract."
    MISSING_FIELD = "MissingField", "The answer lacks a field that the contract requires."
    WRONG_TYPE = "WrongType", "A field of the answer has another type than in the contract; nothing is coerced."
    TEXT_TOO_LONG = "TextTooLong", "A text of the answer is too long to be recorded whole."
    CONTROL_CHARACTERS = (
        "ControlCharacters",
        "A text of the answer has control characters, unpaired surrogates, or marks that change its direction.",
    )

    # What it says
    OTHER_TARGET = "OtherTarget", "The answer is about another Run than the question."
    UNKNOWN_INTENT = "UnknownIntent", "The answer has an intent that the operator does not know."
    INTENT_NOT_ALLOWED = "IntentNotAllowed", "The answer has an intent that the rules do not allow in this situation."
    CONFIDENCE_OUT_OF_RANGE = "ConfidenceOutOfRange", "The answer's confidence is not between 0 and 1."


@dataclass(frozen=True, slots=True)
class Refusal:
    """The reason why no part of an answer is used. `message` names the field, its value and the expectation."""

    reason: RefusalReason
    message: str


def shown(value: Any) -> str:
    """Return a value for a message: printable ASCII, and cut."""
    text = ascii(value[:MAX_SHOWN] if isinstance(value, str) else value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."
