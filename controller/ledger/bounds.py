"""Pure: a document within a number of bytes and without secrets. It stays JSON; a mark stands where something was left out.

It is done in two steps, so that neither memory nor the event loop pays for what a tenant makes large: `clip` bounds what waits to
be written, by a walk that ends with its budget; `text_of` takes the secrets out, in the ledger's own thread.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from controller.api.redaction import REDACTED, redact
from controller.ledger.shares import level

CUT = "runwarden.dev/cut"
"""Marks what was left out: a key of an object, the last item of a list, a word at the end of a text."""
DEPTH = 32
"""Levels of a document that are kept: a Run's template has some fifteen."""
ITEM_BYTES = 4
"""What an item costs beside its text: quotes, a comma, a colon."""
MARK_BYTES = 80
"""What a mark needs at most."""
SHORT = 256
"""Characters of a short text. Those come again and again, long ones with each pass of their Run: their redaction is remembered."""


def weigh(document: Any, limit: int) -> int:
    """Return about how many bytes a document has as JSON; more than `limit` for one that is larger, or too deep."""
    total, waiting = 0, [(document, 0)]
    while waiting and total <= limit:
        value, depth = waiting.pop()
        if depth > DEPTH:
            return limit + 1
        total += ITEM_BYTES
        if isinstance(value, str):
            total += len(value) if len(value) > limit else len(value.encode("utf-8", "replace"))
        elif isinstance(value, dict):
            total += sum(map(len, value)) + ITEM_BYTES * len(value)
            waiting += [(each, depth + 1) for each in value.values()]
        elif isinstance(value, list | tuple):
            waiting += [(each, depth + 1) for each in value]
        else:
            total += ITEM_BYTES
    return total


def clip(document: Any, limit: int) -> Any:
    """Return a document of at most about `limit` bytes: the same where it is no larger, else with marks in it."""
    return document if weigh(document, limit) <= limit else _clip(document, limit, 0)


def text_of(document: Any, limit: int) -> str:
    """Return a document as JSON of at most `limit` bytes, without the secrets that can be told."""
    clean = redacted(document)
    for room in (limit, limit // 2, limit // 4):
        text = json.dumps(clip(clean, room), ensure_ascii=False).encode("utf-8", "replace").decode()
        if len(text.encode()) <= limit:
            return text
    return json.dumps({CUT: "all of it"})


def redacted(value: Any) -> Any:
    """Return a document whose texts have no secrets; a text is also judged by what it is called."""
    match value:
        case dict():
            return {key: _redacted_field(key, each, value) for key, each in value.items()}
        case list() | tuple():
            return [redacted(each) for each in value]
        case str():
            return _redact(value)
        case _:
            return value


def _redacted_field(key: str, value: Any, parent: dict[str, Any]) -> Any:
    """A field's text, judged by its key; the value of an environment variable by the variable's name."""
    if not isinstance(value, str):
        return redacted(value)
    name = parent["name"] if key == "value" and isinstance(parent.get("name"), str) else key
    return REDACTED if _redact(f"{name}={value}").endswith(f"={REDACTED}") else _redact(value)


def _redact(text: str) -> str:
    return _short(text) if len(text) <= SHORT else _long(text)


_short, _long = lru_cache(maxsize=8192)(redact), lru_cache(maxsize=64)(redact)


def _clip(value: Any, room: int, depth: int) -> Any:
    match value:
        case str():
            return _clip_text(value, room)
        case dict() | list() | tuple() if depth >= DEPTH or room <= MARK_BYTES:
            return {CUT: "what is in it"}
        case dict():
            kept = dict(_clip_all(list(value.items()), room, depth))
            return kept if len(kept) == len(value) else kept | {CUT: f"{len(value) - len(kept)} fields"}
        case list() | tuple():
            items = [each for _, each in _clip_all([("", each) for each in value], room, depth)]
            return items if len(items) == len(value) else [*items, {CUT: f"{len(value) - len(items)} items"}]
        case _:
            return value


def _clip_all(fields: list[tuple[str, Any]], room: int, depth: int) -> Iterator[tuple[str, Any]]:
    """Yield fields as far as there is room: small ones whole, large ones with a fair share each."""
    left, names, fitting = room - MARK_BYTES, 0, list[tuple[str, Any, int]]()
    for key, value in fields:
        weight, name = weigh(value, room), len(key.encode("utf-8", "replace")) + ITEM_BYTES
        left -= name + min(weight, MARK_BYTES)  # What is left out of it takes a mark.
        if left < 0:
            break
        names += name
        fitting.append((key, value, weight))
    most = level([weight for _, _, weight in fitting], room - MARK_BYTES - names)
    for key, value, weight in fitting:
        yield key, value if weight <= most else _clip(value, most, depth + 1)


def _clip_text(text: str, room: int) -> str:
    """The beginning of a text, up to a whole word: no piece of a secret is left that nobody knows for one."""
    raw = text[: max(0, room)].encode("utf-8", "replace")[: max(0, room - MARK_BYTES)].decode("utf-8", "ignore")
    kept = raw.rstrip() if raw[-1:].isspace() else " ".join(raw.rsplit(maxsplit=1)[:-1])
    return f"{kept}[{CUT}: {len(text) - len(kept)} characters]"
