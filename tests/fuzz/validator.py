"""An independent decision whether some bytes are an answer, without the gate's code.

It has its own small reader of JSON's grammar (RFC 8259), character by character and not recursive, and a JSON schema for the
result.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.validators import extend

LONGEST = 65_536
TEXT = 1024
CLEAN = (
    "^[^\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u2028\\u20"
    "29\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ud800-\\udfff]*$"
)
NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
PLAIN = re.compile(r'[^"\\\x00-\x1f]+')
ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
HEX = re.compile(r"[0-9a-fA-F]{4}")
NUMBER_CHARACTERS = 24


class Bad(Exception):
    """Not an answer."""


class _Cursor:
    """A place in a text."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def blank(self) -> None:
        while self.peek() and self.peek() in "\x20\x09\x0a\x0d":
            self.at += 1

    def take(self, literal: str) -> None:
        if not self.text.startswith(literal, self.at):
            raise Bad
        self.at += len(literal)

    def match(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.at)
        if found is None:
            raise Bad
        self.at = found.end()
        return found.group()


def _string(cursor: _Cursor) -> str:
    cursor.take('"')
    units: list[str] = []
    while cursor.peek() != '"':
        units.append(_escape(cursor) if cursor.peek() == "\\" else cursor.match(PLAIN))
    cursor.take('"')
    joined = "".join(units)
    return joined.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def _escape(cursor: _Cursor) -> str:
    cursor.take("\\")
    if cursor.peek() == "u":
        cursor.take("u")
        return chr(int(cursor.match(HEX), 16))
    kind = cursor.peek()
    if kind not in ESCAPES or not kind:
        raise Bad
    cursor.at += 1
    return ESCAPES[kind]


def _scalar(cursor: _Cursor) -> Any:
    """An answer has neither arrays nor objects inside, so its reader supports none."""
    for literal, value in (("true", True), ("false", False), ("null", None)):
        if cursor.text.startswith(literal, cursor.at):
            cursor.take(literal)
            return value
    if cursor.peek() == '"':
        return _string(cursor)
    lexeme = cursor.match(NUMBER)
    if len(lexeme) > NUMBER_CHARACTERS or len(lexeme.lower().partition("e")[2].lstrip("+-").lstrip("0")) > TOO_MANY_DIGITS:
        raise Bad
    return Decimal(lexeme)


TOO_MANY_DIGITS = 17
"""Digits of an exponent that Decimal does not accept."""


def _object(cursor: _Cursor) -> dict[str, Any]:
    found: dict[str, Any] = {}
    cursor.take("{")
    cursor.blank()
    while cursor.peek() != "}":
        if found:
            cursor.take(",")
            cursor.blank()
        key = _string(cursor)
        if key in found:
            raise Bad
        cursor.blank()
        cursor.take(":")
        cursor.blank()
        found[key] = _scalar(cursor)
        cursor.blank()
    cursor.take("}")
    return found


def _one_document(text: str) -> dict[str, Any]:
    cursor = _Cursor(text)
    cursor.blank()
    found = _object(cursor)
    cursor.blank()
    if cursor.at != len(text):
        raise Bad
    return found


_CHECKER = Draft202012Validator.TYPE_CHECKER.redefine("number", lambda _, value: isinstance(value, Decimal))
_SCHEMA = extend(Draft202012Validator, type_checker=_CHECKER)  # type: ignore[no-untyped-call]  # jsonschema leaves it so


def schema(target: str, allowed: Sequence[str]) -> dict[str, Any]:
    """Return the contract of an answer as a JSON schema."""
    text = {"type": "string", "maxLength": TEXT, "pattern": CLEAN}
    maybe = {**text, "type": ["string", "null"]}
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["intent", "target_run", "reason", "confidence", "needs_human"],
        "properties": {
            "intent": {"enum": list(allowed)},
            "target_run": {"const": target},
            "reason": text,
            "confidence": {"type": "number", "minimum": 0, "maximum": 1},
            "needs_human": {"type": "boolean"},
            "diagnosis": maybe,
            "suggested_answer": maybe,
        },
    }


class Validator:
    """Judges outputs for one Run and the decisions that one situation allows."""

    def __init__(self, target: str, allowed: Sequence[str]) -> None:
        self._schema = _SCHEMA(schema(target, allowed))

    def accepts(self, output: bytes) -> bool:
        """Whether an output is exactly an answer."""
        if len(output) > LONGEST:
            return False
        try:
            return bool(self._schema.is_valid(_one_document(output.decode("utf-8"))))
        except (Bad, UnicodeDecodeError):
            return False
