"""Objects that are kept for long and rarely read, as JSON, compressed where they are large."""

from __future__ import annotations

import json
import zlib

import orjson

from controller.api.base import JsonObject
from controller.kube.codec import json_bytes

LEVEL = zlib.Z_BEST_SPEED
"""The fastest level is enough: the object contains the brief twice, in the spec and in kubectl's annotation."""
LARGE_BYTES = 4096
"""A Run without a brief is smaller. Decompressing it would cost 0.05 ms for each read."""
OPENING = b"{"
"""The first byte of a JSON object; zlib data begins with another."""


def encode(obj: JsonObject) -> bytes:
    """Return an object as bytes."""
    data = json_bytes(obj)
    # orjson's answer holds three times the memory that it needs; a copy does not.
    return zlib.compress(data, LEVEL) if len(data) > LARGE_BYTES else bytes(memoryview(data))


def decode(data: bytes) -> JsonObject:
    """Return the object, a new copy each time."""
    text = data if data.startswith(OPENING) else zlib.decompress(data)
    try:
        obj: JsonObject = orjson.loads(text)
    except orjson.JSONDecodeError:  # half a character, as `json_bytes` has it
        obj = json.loads(text)
    return obj
