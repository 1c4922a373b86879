"""Bytes to objects: lines of a watch, answers, and what stands for no answer at all."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import aiohttp
import orjson

from controller.api.base import JsonObject
from controller.cluster.errors import Unavailable, error_of

NO_ANSWER = (aiohttp.ClientError, OSError, TimeoutError)
"""What the transport raises where no whole answer came."""


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """ADDED, MODIFIED, DELETED or BOOKMARK, and the object."""

    type: str
    object: JsonObject


async def lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Yield the lines of a stream, however long.

    aiohttp's own iterator refuses lines beyond twice its buffer (4 MB); an object of etcd's 1.5 MB can be six times that in JSON.
    """
    begun: list[bytes] = []
    async for chunk in content.iter_any():
        *whole, rest = chunk.split(b"\n")
        for line in whole:
            yield b"".join((*begun, line))
            begun = []
        begun.append(rest)
    if any(begun):
        yield b"".join(begun)


def watch_event(what: str, line: bytes) -> WatchEvent:
    """Return one event of a watch. Raises Gone or another ApiError for an ERROR event, Unavailable for what is no event."""
    event = json_object(what, line)
    kind, obj = event.get("type"), event.get("object")
    if not isinstance(kind, str) or not isinstance(obj, dict):
        raise unavailable(what, ValueError("not an event of a watch"))
    if kind == "ERROR":
        raise error_of(what, obj.get("code", HTTPStatus.INTERNAL_SERVER_ERROR), json_bytes(obj))
    return WatchEvent(kind, obj)


def json_bytes(body: Any) -> bytes:
    """Return a request's body."""
    try:
        return orjson.dumps(body)
    except orjson.JSONEncodeError:  # half a character, say; the API server takes it for U+FFFD
        return json.dumps(body).encode()


def json_object(what: str, data: bytes) -> JsonObject:
    """Return the object in an answer. Raises Unavailable where there is none: cut off, or a proxy's page instead."""
    try:
        answer = orjson.loads(data)
    except ValueError as error:
        raise unavailable(what, error) from error
    if not isinstance(answer, dict):
        raise unavailable(what, ValueError("not a JSON object"))
    return answer


def unavailable(what: str, error: Exception) -> Unavailable:
    """Return the ApiError for a request that got no answer, or none that can be read."""
    return Unavailable(what, 0, type(error).__name__, str(error) or "no answer in time")
