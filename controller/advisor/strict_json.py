"""A strict JSON reader: one document, no duplicate keys, no NaN, no huge numbers, limited size and depth. Never raises.

Size is checked before the text is read and depth before anything recurses, so hostile output costs no more than a scan.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal, InvalidOperation
from json import JSONDecodeError, JSONDecoder
from typing import Any, NoReturn

from controller.adapter.contract import MAX_OUTPUT_BYTES
from controller.advisor.rejections import Refusal, RefusalReason, shown

MAX_DEPTH = 8
"""Levels of nesting that are parsed. An answer has one. A wrong answer is parsed as well, because the refusal is then clearer."""

MAX_NUMBER_CHARACTERS = 24
"""Length of the longest accepted number: that of the longest shortest representation of a double."""

WHITESPACE = " \t\n\r"
"""Characters that JSON allows around a document."""

# A string, closed or running to the end, is one token: brackets in it do not count, and each character is scanned once.
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*+"?+|[\[{]|[\]}]', re.DOTALL)


class _Stopped(Exception):
    """Carries a refusal from the decoder's hooks to the caller."""

    def __init__(self, reason: RefusalReason, message: str) -> None:
        super().__init__(message)
        self.refusal = Refusal(reason, message)


def read(output: bytes) -> dict[str, Any] | Refusal:
    """Return the only JSON object in an output, or a refusal. Numbers with a fraction or an exponent are Decimals."""
    if len(output) > MAX_OUTPUT_BYTES:
        return Refusal(RefusalReason.TOO_LONG, f"output: {len(output)} bytes; at most {MAX_OUTPUT_BYTES} are read")
    try:
        text = decoded(output).strip(WHITESPACE)
    except UnicodeDecodeError as error:
        return Refusal(RefusalReason.NOT_UTF8, f"output: byte {error.start} is not UTF-8; an answer is JSON in UTF-8")
    if too_deep(text):
        return Refusal(RefusalReason.TOO_DEEP, f"output: nests deeper than {MAX_DEPTH} levels; an answer is one flat object")
    return _document(text)


def decoded(output: bytes) -> str:
    """Decode UTF-8. Raises UnicodeDecodeError: no byte is replaced or dropped."""
    return output.decode("utf-8")


def too_deep(text: str) -> bool:
    """Whether brackets outside of strings nest deeper than MAX_DEPTH."""
    depth = 0
    for token in _TOKENS.finditer(text):
        first = token.group()[0]
        depth += (first in "[{") - (first in "]}")
        if depth > MAX_DEPTH:
            return True
    return False


def _document(text: str) -> dict[str, Any] | Refusal:
    try:
        decoder = JSONDecoder(object_pairs_hook=unique, parse_int=integer, parse_float=fraction, parse_constant=constant)
        document, end = decoder.raw_decode(text)
    except _Stopped as stopped:
        return stopped.refusal
    except JSONDecodeError as error:
        return Refusal(RefusalReason.NOT_JSON, f"output: {error.msg} at character {error.pos}: {shown(text)}; {_EXPECTED}")
    if rest := after(text, end):
        return Refusal(RefusalReason.NOT_ONE_DOCUMENT, f"output: continues after its JSON with {shown(rest)}; {_EXPECTED}")
    if not isinstance(document, dict):
        return Refusal(RefusalReason.NOT_AN_OBJECT, f"output: is {shown(document)}; {_EXPECTED}")
    return document


def after(text: str, end: int) -> str:
    """Return the text after the document."""
    return text[end:]


_EXPECTED = "an answer is exactly one JSON object and nothing around it"


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object's pairs as a dict. A duplicate key refuses the whole output."""
    fields: dict[str, Any] = {}
    for key, value in pairs:
        if key in fields:
            raise _Stopped(RefusalReason.DUPLICATE_KEY, f"{shown(key)}: occurs twice; each field occurs once")
        fields[key] = value
    return fields


def integer(lexeme: str) -> int:
    """Return an integer, if it is short. Python itself would raise for thousands of digits."""
    return int(_short(lexeme))


def fraction(lexeme: str) -> Decimal:
    """Return a number exactly, if it is short and within the range of a double."""
    try:
        exact = Decimal(_short(lexeme))
    except InvalidOperation:
        _huge(lexeme)
    return exact if math.isfinite(float(lexeme)) else _huge(lexeme)


def _short(lexeme: str) -> str:
    return lexeme if len(lexeme) <= MAX_NUMBER_CHARACTERS else _huge(lexeme)


def _huge(lexeme: str) -> NoReturn:
    raise _Stopped(RefusalReason.HUGE_NUMBER, f"output: has the number {shown(lexeme)}; confidence is a number from 0 to 1")


def constant(lexeme: str) -> NoReturn:
    """Refuse NaN and the infinities, which Python's decoder accepts and JSON does not have."""
    raise _Stopped(RefusalReason.NOT_FINITE, f"output: has {lexeme}; confidence is a number from 0 to 1")
