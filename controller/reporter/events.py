"""What an agent says, one JSON object a line, made safe: every text bounded and printable, every number checked.

See docs/agents.md for the events. An event that is wrong is refused with `Wrong`; a text that is too long is cut.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

Event = dict[str, Any]

MAX_LINE = 256 * 1024
"""Bytes of a line that are read at all: a question of 16384 characters with 16 options fits, escaped as it may be."""

LONG_TEXT, TEXT, WORD = 16384, 1024, 128
"""Characters of a question, of other texts and of names, as the API has them."""

MAX_OPTIONS, MAX_OUTPUTS = 16, 16
MAX_TOKENS = 1_000_000_000_000
QUESTION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", re.ASCII)
CONTROLS = {code: "\N{REPLACEMENT CHARACTER}" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"}
"""Control characters have no business in a status or on a terminal."""


class Wrong(Exception):
    """An event that is left out. `kind` tells one kind of mistake from another; the message is for people."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def read_line(line: bytes) -> object:
    """Return what a line holds. Raises Wrong where it is no JSON."""
    try:
        return json.loads(line.decode(errors="replace"))
    except (ValueError, RecursionError) as error:
        raise Wrong("json", f"a line is no JSON: {error}"[:TEXT]) from error


def check(event: object) -> Event:
    """Return the event with only what it may hold. Raises Wrong."""
    if not isinstance(event, dict):
        raise Wrong("object", "a line is no JSON object")
    kind = event.get("type")
    checker = CHECKS.get(kind) if isinstance(kind, str) else None
    if checker is None:
        raise Wrong("type", f"an event has a type other than {', '.join(CHECKS)}: {clean(str(kind), WORD)}")
    return {"type": kind, **checker(event)}


def clean(text: str, limit: int) -> str:
    """Return a text that is safe to show and to store, with an ellipsis where it was cut."""
    safe = text.translate(CONTROLS).encode(errors="replace").decode()
    return safe if len(safe) <= limit else safe[: limit - 1] + "\N{HORIZONTAL ELLIPSIS}"


def _text(event: Event, field: str, limit: int) -> str:
    value = event.get(field, "")
    if not isinstance(value, str):
        raise Wrong(f"{event['type']}.{field}", f"a {event['type']} event's {field} is no text")
    return clean(value, limit)


def _progress(event: Event) -> Event:
    return {"message": _text(event, "message", TEXT)}


def _question(event: Event) -> Event:
    options = event.get("options") or []
    if not isinstance(options, list) or not all(isinstance(option, str) for option in options):
        raise Wrong("question.options", "a question event's options are no list of texts")
    if len(options) > MAX_OPTIONS:
        raise Wrong("question.options", f"a question has {len(options)} options; {MAX_OPTIONS} is the most")
    text = _text(event, "text", LONG_TEXT)
    if not text.strip():
        raise Wrong("question.text", "a question event has no text")
    return {**_read(event), "text": text, "options": [clean(option, TEXT) for option in options]}


def _read(event: Event) -> Event:
    name = event.get("id")
    if not isinstance(name, str) or not QUESTION_ID.fullmatch(name):
        shown = clean(str(name), WORD)
        raise Wrong("id", f"a {event['type']} event's id must be 1 to 63 letters, digits, '_', '.' or '-', not: {shown}")
    return {"id": name}


def _park(_: Event) -> Event:
    return {}


def _usage(event: Event) -> Event:
    return {field: _amount(event, field) for field in ("inputTokens", "outputTokens", "costMicroUSD")}


def _amount(event: Event, field: str) -> int:
    value = event.get(field, 0)
    if type(value) is not int or not 0 <= value <= MAX_TOKENS:
        raise Wrong("usage", f"a usage event's {field} is no whole number from 0 to {MAX_TOKENS}; it is not trusted")
    return value


def _result(event: Event) -> Event:
    outcome = event.get("outcome")
    if outcome not in ("Completed", "Failed"):
        raise Wrong("result.outcome", "a result event's outcome is neither Completed nor Failed")
    return {"outcome": outcome, "summary": _text(event, "summary", TEXT), "outputs": _outputs(event)}


def _outputs(event: Event) -> dict[str, str]:
    outputs = event.get("outputs") or {}
    if not isinstance(outputs, dict) or not all(isinstance(value, str) for value in outputs.values()):
        raise Wrong("result.outputs", "a result event's outputs are no map of texts")
    if len(outputs) > MAX_OUTPUTS:
        raise Wrong("result.outputs", f"a result has {len(outputs)} outputs; {MAX_OUTPUTS} is the most")
    return {clean(name, WORD): clean(value, TEXT) for name, value in outputs.items()}


CHECKS: dict[str, Callable[[Event], Event]] = {
    "progress": _progress,
    "question": _question,
    "read": _read,
    "park": _park,
    "usage": _usage,
    "result": _result,
}
