"""Objects that are kept for long and rarely looked at, as compact JSON."""

from __future__ import annotations

import orjson

from controller.api.base import JsonObject


def packed(obj: JsonObject) -> bytes:
    """Return an object as bytes."""
    return orjson.dumps(obj)


def unpacked(data: bytes) -> JsonObject:
    """Return the object that was packed, its own copy each time."""
    obj: JsonObject = orjson.loads(data)
    return obj
