"""Objects that are kept for long and rarely looked at, as JSON, compressed where they are large."""

from __future__ import annotations

import json
import zlib

import orjson

from controller.api.base import JsonObject
from controller.kube.codec import json_bytes

LEVEL = zlib.Z_BEST_SPEED
"""What a brief and its copy in kubectl's annotation have in common goes at any level."""
LARGE_BYTES = 4096
"""A Run without a brief is smaller, and not worth the 0.05 ms a look."""
OPENING = b"{"
"""What JSON begins with, and what is compressed does not."""


def encode(obj: JsonObject) -> bytes:
    """Return an object as bytes."""
    data = json_bytes(obj)
    # orjson's answer holds three times the memory that it needs; a copy does not.
    return zlib.compress(data, LEVEL) if len(data) > LARGE_BYTES else bytes(memoryview(data))


def decode(data: bytes) -> JsonObject:
    """Return the object that was packed, its own copy each time."""
    text = data if data.startswith(OPENING) else zlib.decompress(data)
    try:
        obj: JsonObject = orjson.loads(text)
    except orjson.JSONDecodeError:  # half a character, as `json_bytes` has it
        obj = json.loads(text)
    return obj
