"""Limits the size of a document and removes its secrets. It stays JSON, with marks for the parts that were left out. Pure.

There are two steps, so that a tenant's large objects cost neither memory nor time of the event loop. `clip` bounds the queued
documents; its walk ends when its budget is used up. `text_of` removes the secrets, in the ledger's own thread.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from controller.api.redaction import REDACTED, has_token, names_secret, redact
from controller.ledger.shares import level

CUT = "runwatchman.dev/cut"
"""The mark of a cut: a key of an object, in the last item of a list, or at the end of a text."""
DEPTH = 32
"""Maximum levels of a document. A Run's template has about fifteen."""
ITEM_BYTES = 4
"""Overhead of an item: quotes, a comma, a colon."""
MARK_BYTES = 80
"""Maximum size of a mark."""
CHOSEN_KEYS = frozenset({"annotations", "labels", "options", "outputs", "volumeAttributes"})
"""Mappings of texts whose keys a user or an agent chooses. The keys of all others are fields of Kubernetes or of ours."""
IDENTITIES = frozenset(
    {
        *("name", "namespace", "uid", "runUid", "runUID", "podUid", "podUID", "pod", "agent", "node", "target", "container"),
        *("escalation", "asked", "wokenFor", "digest", "failureDigest", "promptDigest", "situation", "tree", "sourceRevision"),
    }
)
"""Fields with names, UIDs and digests that Kubernetes shows to all readers of a namespace, or that the operator has computed."""
QUESTIONS = frozenset({"id", "question", "questionID", "delivered", "read", "deliveries", "dismissals"})
"""Fields with IDs of questions. Agents choose them and are told to put no secret there; names of escalations follow from them."""
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]{8,15}(?:Z|[+-]\d\d:\d\d)")
SHORT = 256
"""Maximum characters of a short text. Short texts repeat often, and long ones with each pass of their Run, so both are cached."""


def weigh(document: Any, limit: int) -> int:
    """Return the approximate bytes of a document as JSON. For one that is larger or too deep, return more than `limit`."""
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
    """Return the document if it has at most about `limit` bytes, else a smaller one with marks in it."""
    return document if weigh(document, limit) <= limit else _clip(document, limit, 0)


def text_of(document: Any, limit: int) -> str:
    """Return a document as JSON of at most `limit` bytes, without recognisable secrets."""
    clean = redacted(document)
    for room in (limit, limit // 2, limit // 4):
        text = json.dumps(clip(clean, room), ensure_ascii=False).encode("utf-8", "replace").decode()
        if len(text.encode()) <= limit:
            return text
    return json.dumps({CUT: "all of it"})


def redacted(value: Any, key: str = "", *, chosen: bool = False) -> Any:
    """Return a document whose texts have no secrets. A text is also judged by the name of its field, its `key`.

    `chosen` are the keys of a mapping that a user or an agent has chosen. Identities stay as they are, since decisions follow from
    them: names, UIDs and digests of Kubernetes and of the operator, and times.
    """
    match value:
        case dict():
            named = value.get("name") if isinstance(value.get("name"), str) else None
            free = key in CHOSEN_KEYS
            return {
                each: redacted(item, named, chosen=True) if each == "value" and named else redacted(item, each, chosen=free)
                for each, item in value.items()
            }
        case list() | tuple():
            return [redacted(each, key) for each in value]
        case str():
            return _redacted_text(value, key, chosen=chosen)
        case _:
            return value


def _redacted_text(text: str, key: str, *, chosen: bool) -> str:
    """Return a text without secrets. What follows a chosen key may be one by its format alone, as in an environment."""
    if not chosen and key in IDENTITIES and _NAME.fullmatch(text):
        return text
    if not chosen and key in QUESTIONS and _ID.fullmatch(text) and not has_token(text):
        return text
    if names_secret(key):
        return text if _TIME.fullmatch(text) else REDACTED
    return REDACTED if chosen and _redact(f"{key}={text}").endswith(f"={REDACTED}") else _redact(text)


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
            fields = dict(_clip_all(list(value.items()), room, depth))
            return fields if len(fields) == len(value) else fields | {CUT: f"{len(value) - len(fields)} fields"}
        case list() | tuple():
            items = [each for _, each in _clip_all([("", each) for each in value], room, depth)]
            return items if len(items) == len(value) else [*items, {CUT: f"{len(value) - len(items)} items"}]
        case _:
            return value


def _clip_all(fields: list[tuple[str, Any]], room: int, depth: int) -> Iterator[tuple[str, Any]]:
    """Yield as many fields as fit: small ones whole, large ones cut to a fair share each."""
    left, names, fitting = room - MARK_BYTES, 0, list[tuple[str, Any, int]]()
    for key, value in fields:
        weight, name = weigh(value, room), len(key.encode("utf-8", "replace")) + ITEM_BYTES
        left -= name + min(weight, MARK_BYTES)  # A field that is cut needs a mark.
        if left < 0:
            break
        names += name
        fitting.append((key, value, weight))
    most = level([weight for _, _, weight in fitting], room - MARK_BYTES - names)
    for key, value, weight in fitting:
        yield key, value if weight <= most else _clip(value, most, depth + 1)


def _clip_text(text: str, room: int) -> str:
    """Return the beginning of a text up to a whole word, so that no unrecognisable part of a secret is left."""
    raw = text[: max(0, room)].encode("utf-8", "replace")[: max(0, room - MARK_BYTES)].decode("utf-8", "ignore")
    part = raw.rstrip() if raw[-1:].isspace() else " ".join(raw.rsplit(maxsplit=1)[:-1])
    return f"{part}[{CUT}: {len(text) - len(part)} characters]"
