"""Decodes objects one at a time. An object that is too large, too deep or malformed becomes its remains, never an exception.

Anybody who may write an object of a watched resource controls its content. Its size and depth are therefore limited before other
code walks it: by the resource's limit and by orjson's encoder. The remains of an object are its identity and the fields that the
operator wrote; the key `UNREADABLE` holds the reason. All code here is linear in the bytes and never recurses.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from controller.api.base import JsonObject
from controller.api.names import ANNOTATION_STATE, GROUP

UNREADABLE = f"{GROUP}/unreadable"
"""Top-level key of an object's remains: the reason why the object cannot be read. The API server stores no such field."""

MAX_DEPTH = 254
"""Maximum depth that orjson encodes (https://github.com/ijl/orjson#serialize); Kubernetes' own objects have fewer than 40 levels.
"""

REMEDY = "delete it and create it again with less content"

SMALL_BYTES = 64 * 1024
"""Maximum size of one metadata field in an object's remains; a larger field is omitted."""

IDENTITY = ("name", "namespace", "uid", "resourceVersion", "generation")
LIFE = ("creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "finalizers", "ownerReferences")

_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_OPENING, _BETWEEN, _CLOSING = re.compile(rb"\s*+[{\[]"), re.compile(rb"[\s,]*+"), re.compile(rb"\s*+[}\]]")
_KEY = re.compile(rb"[\s,]*+(" + _STRING + rb")\s*+:\s*+", re.DOTALL)
_SCALAR = re.compile(_STRING + rb"|[^\s,}\]]++", re.DOTALL)
_NESTING = re.compile(_STRING + rb"|[{\[]++|[}\]]++", re.DOTALL)


class Malformed(ValueError):
    """Not a complete JSON object: a truncated response, or a proxy's error page."""


def decode(data: bytes, limit: int) -> JsonObject:
    """Return the object in `data`, or its remains if it has more than `limit` bytes or is nested too deeply.

    Raises Malformed.
    """
    try:
        obj = orjson.loads(data)
    except ValueError as error:
        return remains(data, f"it cannot be decoded ({error}): {REMEDY}")
    if not isinstance(obj, dict):
        raise Malformed("not a JSON object")
    why = _unreadable(obj, limit)
    return remains(data, why) if why else obj


def decode_event(line: bytes, limit: int) -> JsonObject:
    """Return the `{type, object}` of a watch line, with the object decoded by `decode`. Raises Malformed."""
    if len(line) <= limit:
        try:
            event = orjson.loads(line)
        except ValueError:
            return _event_of_remains(line, limit)
        if isinstance(event, dict) and isinstance(obj := event.get("object"), dict) and not _unreadable(obj, limit):
            return event
    return _event_of_remains(line, limit)


def decode_items(data: bytes, limit: int) -> JsonObject:
    """Return a list whose items are decoded by `decode`. Raises Malformed.

    A list that cannot be decoded as a whole is decoded item by item, so that one poisoned object never hides the others.
    """
    try:
        found = orjson.loads(data)
    except ValueError:
        return _items_one_by_one(members(data), limit)
    if not isinstance(found, dict) or not isinstance(items := found.get("items") or [], list):
        raise Malformed("not a list of objects")
    if any(_unreadable(obj, limit) for obj in items):
        return _items_one_by_one(members(data), limit)
    return found | {"items": items}


def remains(data: bytes, why: str) -> JsonObject:
    """Return an object's identity, the fields that the operator wrote, and `why` under the key `UNREADABLE`.

    Raises Malformed.
    """
    parts = members(data)
    if "metadata" not in parts:
        raise Malformed("not a Kubernetes object")
    meta = _parts(parts["metadata"])
    kept = {field: value for field in (*IDENTITY, *LIFE) if (value := _value(meta.get(field))) is not None}
    ours = {"labels": _ours(meta.get("labels")), "annotations": _state(meta.get("annotations"))}
    others = {field: value for field in ("apiVersion", "kind") if (value := _value(parts.get(field))) is not None}
    status = _value(parts.get("status"), most=len(data))
    written = {"status": status} if isinstance(status, dict) else {}
    return {**others, "metadata": kept | {field: found for field, found in ours.items() if found}, **written, UNREADABLE: why}


def members(data: bytes) -> dict[str, bytes]:
    """Return the members of the object in `data` with their raw values. Raises Malformed if it is truncated."""
    found: dict[str, bytes] = {}
    position = _past(_OPENING, data, 0)
    while key := _KEY.match(data, position):
        position = _end_of_value(data, key.end())
        found[orjson.loads(key[1])] = data[key.end() : position]
    _past(_CLOSING, data, position)
    return found


def elements(data: bytes) -> list[bytes]:
    """Return the raw elements of the array in `data`. Raises Malformed if it is truncated."""
    found: list[bytes] = []
    start = _past(_OPENING, data, 0)
    while not _CLOSING.match(data, start):
        start = _past(_BETWEEN, data, start)
        end = _end_of_value(data, start)
        found.append(data[start:end])
        start = end
    return found


def _past(what: re.Pattern[bytes], data: bytes, position: int) -> int:
    """Return the end of the match of `what` at this position. Raises Malformed if it does not match."""
    match = what.match(data, position)
    if match is None:
        raise Malformed("truncated, or not JSON")
    return match.end()


def _end_of_value(data: bytes, start: int) -> int:
    """Return the end of the value that begins at `start`."""
    if data[start : start + 1] not in (b"{", b"["):
        scalar = _SCALAR.match(data, start)
        if scalar is None:
            raise Malformed("truncated")
        return scalar.end()
    depth = 0
    for token in _NESTING.finditer(data, start):
        match data[token.start() : token.start() + 1]:
            case b"{" | b"[":
                depth += token.end() - token.start()
            case b"}" | b"]" if token.end() - token.start() >= depth:
                return token.start() + depth
            case b"}" | b"]":
                depth -= token.end() - token.start()
    raise Malformed("truncated")


def _unreadable(obj: Any, limit: int) -> str:
    """Return the reason why an object must not be walked, or an empty string if it may be."""
    if not isinstance(obj, dict):
        return "it is not an object"
    try:
        size = len(orjson.dumps(obj))
    except orjson.JSONEncodeError:
        return f"it is nested deeper than {MAX_DEPTH} levels: {REMEDY}"
    return f"it has {size} bytes, and may have {limit}: {REMEDY}" if size > limit else ""


def _event_of_remains(line: bytes, limit: int) -> JsonObject:
    event = members(line)
    if "object" not in event or "type" not in event:
        raise Malformed("not a watch event")
    return {"type": orjson.loads(event["type"]), "object": decode(event["object"], limit)}


def _items_one_by_one(parts: dict[str, bytes], limit: int) -> JsonObject:
    meta = _value(parts.get("metadata"))
    if meta is None or "items" not in parts:
        raise Malformed("not a list of objects")
    return {"metadata": meta, "items": [decode(item, limit) for item in elements(parts["items"])]}


def _parts(data: bytes) -> dict[str, bytes]:
    """Return the members of a part of an unreadable object; empty if the part is not an object."""
    try:
        return members(data)
    except Malformed:
        return {}


def _value(data: bytes | None, most: int = SMALL_BYTES) -> Any:
    """Return a part of an unreadable object; None if it is missing, too large or malformed."""
    if data is None or len(data) > most:
        return None
    try:
        return orjson.loads(data)
    except ValueError:
        return None


def _ours(labels: bytes | None) -> dict[str, str]:
    """Return the labels that the operator set."""
    found = _value(labels)
    return {key: value for key, value in found.items() if key.startswith(f"{GROUP}/")} if isinstance(found, dict) else {}


def _state(annotations: bytes | None) -> dict[str, str]:
    """Return the operator's record if it is stored in an annotation."""
    found = _value(_parts(annotations).get(ANNOTATION_STATE), most=len(annotations)) if annotations else None
    return {ANNOTATION_STATE: found} if isinstance(found, str) else {}
