"""Objects that are kept for long and rarely looked at, as compressed JSON."""

from __future__ import annotations

import json
import zlib

from controller.api.base import JsonObject

LEVEL = zlib.Z_BEST_SPEED
"""What a brief and its copy in kubectl's annotation have in common goes at any level."""


def packed(obj: JsonObject) -> bytes:
    """Return an object as bytes."""
    return zlib.compress(json.dumps(obj, separators=(",", ":")).encode(), LEVEL)


def unpacked(data: bytes) -> JsonObject:
    """Return the object that was packed, its own copy each time."""
    obj: JsonObject = json.loads(zlib.decompress(data))
    return obj
