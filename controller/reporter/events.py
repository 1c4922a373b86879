"""Parses and sanitizes the agent's events, one JSON object per line: every text is bounded and printable, every number is
checked.

docs/agents.md lists the events. A wrong event is refused with `Wrong`; a text that is too long is cut.
"""

from __future__ import annotations

import codecs
import json
import math
import re
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

Event = dict[str, Any]

MAX_LINE = 256 * 1024
"""Maximum bytes of a line: an escaped question of 16384 characters with 16 options fits."""

LONG_TEXT, TEXT, WORD = 16384, 1024, 128
"""Maximum characters of a question, of other texts and of names, as in the API."""

MAX_OPTIONS, MAX_OUTPUTS = 16, 16
MAX_TOKENS = 1_000_000_000_000
MAX_SECONDS = 31_536_000
LAST_SECOND = 253_402_300_799
"""The last second of the year 9999 since 1970: the API server takes no later time."""

LIMITS = {"quota": "Quota", "rateLimit": "RateLimit", "outage": "Outage"}
"""Kinds of limits in events, and in reports."""

RESETS = {"resetSeconds": "a number of seconds from 0", "resetsAt": "a time with a zone (RFC 3339) or the seconds since 1970"}
QUESTION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", re.ASCII)
CONTROLS = {code: "\N{REPLACEMENT CHARACTER}" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"}
"""Replaces control characters, which are unsafe in a status and on a terminal."""


MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
"""Byte order marks; the first begins with the third."""

ZERO_SHARE = 4
"""A line with at least a quarter of zeros is not UTF-8 with a stray zero: JSON in UTF-16 consists mostly of ASCII."""


class Wrong(Exception):
    """An event is refused. `kind` distinguishes mistakes; the message is for people."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def decode(line: bytes) -> str:
    """Return the text of a line without a byte order mark, and without the zeros that a truncated file may begin with. Bytes that
    are not UTF-8 are replaced. Raises Wrong for UTF-16 and UTF-32.
    """
    encoding = _wide_encoding(line)
    if encoding:
        raise Wrong("encoding", f"a line is encoded in {encoding} and was skipped: write UTF-8")
    return line.strip(b"\0").decode("utf-8-sig", errors="replace")


def _wide_encoding(line: bytes) -> str:
    """Return the encoding of a line whose characters have more than one byte each, empty for UTF-8. Lines after the first have no
    byte order mark, but zeros.
    """
    named = next((name for mark, name in MARKS if line.startswith(mark)), "")
    if named or line.strip(b"\0").count(b"\0") * ZERO_SHARE < len(line):
        return named
    return "UTF-32" if b"\0\0\0" in line.strip(b"\0") else "UTF-16"


def read_line(line: bytes) -> object:
    """Return the JSON value of a line. Raises Wrong if it is not JSON."""
    text = decode(line)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Wrong("json", f"a line is not JSON: {error}"[:TEXT]) from error


def check(event: object) -> Event:
    """Return the event with its known fields only. Raises Wrong."""
    if not isinstance(event, dict):
        raise Wrong("object", "a line is not a JSON object")
    kind = event.get("type")
    checker = CHECKS.get(kind) if isinstance(kind, str) else None
    if checker is None:
        raise Wrong("type", f"an event has a type other than {', '.join(CHECKS)}: {clean(str(kind), WORD)}")
    return {"type": kind, **checker(event)}


def clean(text: str, limit: int) -> str:
    """Return a text that is safe to show and to store, with an ellipsis if it was cut."""
    safe = text.translate(CONTROLS).encode(errors="replace").decode()
    return safe if len(safe) <= limit else safe[: limit - 1] + "\N{HORIZONTAL ELLIPSIS}"


def _text(event: Event, field: str, limit: int) -> str:
    value = event.get(field, "")
    if not isinstance(value, str):
        raise Wrong(f"{event['type']}.{field}", f"a {event['type']} event's {field} is not a text")
    return clean(value, limit)


def _progress(event: Event) -> Event:
    return {"message": _text(event, "message", TEXT)}


def _question(event: Event) -> Event:
    options = event.get("options") or []
    if not isinstance(options, list) or not all(isinstance(option, str) for option in options):
        raise Wrong("question.options", "a question event's options are not a list of texts")
    if len(options) > MAX_OPTIONS:
        raise Wrong("question.options", f"a question has {len(options)} options; at most {MAX_OPTIONS} are allowed")
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
        raise Wrong("usage", f"a usage event's {field} is not a whole number from 0 to {MAX_TOKENS}")
    return value


def _limit(event: Event) -> Event:
    kind = event.get("kind")
    if not isinstance(kind, str) or kind not in LIMITS:
        raise Wrong("limit.kind", f"a limit event's kind is not one of {', '.join(LIMITS)}: {clean(str(kind), WORD)}")
    return {"limit": {"kind": LIMITS[kind], **_reset(event), "message": _text(event, "message", TEXT)}}


def _reset(event: Event) -> Event:
    """Return when a limit ends. Which time is possible, the operator decides: it knows the API server's clock."""
    if event.get("resetSeconds") is not None:
        return {"resetSeconds": math.ceil(min(MAX_SECONDS, _number(event, "resetSeconds", event["resetSeconds"])))}
    moment = event.get("resetsAt")
    if moment is None:
        return {}
    since_1970 = _since_1970(moment) if isinstance(moment, str) else moment
    seconds = min(LAST_SECOND, _number(event, "resetsAt", since_1970))
    return {"resetsAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))}


def _number(event: Event, field: str, value: object) -> float:
    # A comparison with NaN, which JSON's extensions allow, is false.
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        return value
    raise Wrong(f"limit.{field}", f"a limit event's {field} is not {RESETS[field]}: {clean(str(event[field])[:WORD], WORD)}")


def _since_1970(text: str) -> float | None:
    """Return an RFC 3339 time in seconds; None for another text, or without a zone."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.timestamp() if moment.tzinfo else None


def _result(event: Event) -> Event:
    outcome = event.get("outcome")
    if outcome not in ("Completed", "Failed"):
        raise Wrong("result.outcome", "a result event's outcome is neither Completed nor Failed")
    return {"outcome": outcome, "summary": _text(event, "summary", TEXT), "outputs": _outputs(event)}


def _outputs(event: Event) -> dict[str, str]:
    outputs = event.get("outputs") or {}
    if not isinstance(outputs, dict) or not all(isinstance(value, str) for value in outputs.values()):
        raise Wrong("result.outputs", "a result event's outputs are not a map of texts")
    if len(outputs) > MAX_OUTPUTS:
        raise Wrong("result.outputs", f"a result has {len(outputs)} outputs; at most {MAX_OUTPUTS} are allowed")
    return {clean(name, WORD): clean(value, TEXT) for name, value in outputs.items()}


CHECKS: dict[str, Callable[[Event], Event]] = {
    "progress": _progress,
    "question": _question,
    "read": _read,
    "park": _park,
    "usage": _usage,
    "limit": _limit,
    "result": _result,
}
