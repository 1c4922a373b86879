"""Decoding of responses and watch lines into objects, and the errors of a missing response."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import aiohttp
import orjson

from controller.api.base import JsonObject
from controller.kube.decode import Malformed, decode, decode_event
from controller.kube.errors import TooLarge, Unavailable, error_of

NO_ANSWER = (aiohttp.ClientError, OSError, TimeoutError)
"""Exceptions of the transport if no complete response arrived."""


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """ADDED, MODIFIED, DELETED or BOOKMARK, and the object."""

    type: str
    object: JsonObject


async def lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Yield the lines of a stream, without a limit on their length.

    aiohttp's own iterator refuses lines longer than twice its buffer (4 MB). An object of etcd's 1.5 MB can be six times as long in
    JSON.
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


def watch_event(what: str, line: bytes, limit: int) -> WatchEvent:
    """Return one event of a watch with its object, or with the object's remains (`decode.py`).

    Raises Gone or another ApiError for an ERROR event, and Unavailable for a line that is not an event.
    """
    try:
        event = decode_event(line, limit)
    except Malformed as error:
        raise unavailable(what, error) from error
    kind, obj = event.get("type"), event.get("object")
    if not isinstance(kind, str) or not isinstance(obj, dict):
        raise unavailable(what, ValueError("not a watch event"))
    if kind == "ERROR":
        raise error_of(what, obj.get("code", HTTPStatus.INTERNAL_SERVER_ERROR), json_bytes(obj))
    return WatchEvent(kind, obj)


def json_bytes(body: Any) -> bytes:
    """Return the JSON body of a request."""
    try:
        return orjson.dumps(body)
    except orjson.JSONEncodeError:  # for example half a surrogate pair; the API server reads it as U+FFFD
        return json.dumps(body).encode()


async def read(what: str, response: aiohttp.ClientResponse, most: int | None) -> bytes:
    """Return the body of a response. Raises TooLarge, without reading the rest, once it has more than `most` bytes."""
    if most is None:
        return await response.read()
    chunks, size = [], 0
    async for chunk in response.content.iter_any():
        chunks.append(chunk)
        size += len(chunk)
        if size > most:
            response.close()
            raise TooLarge(what, response.status, "TooLarge", f"the answer has more than {most} bytes")
    return b"".join(chunks)


def decoded(what: str, data: bytes, limit: int, decoder: Callable[[bytes, int], JsonObject] = decode) -> JsonObject:
    """Return the object in a response, or its remains. Raises Unavailable if the response holds no object."""
    try:
        return decoder(data, limit)
    except Malformed as error:
        raise unavailable(what, error) from error


def unavailable(what: str, error: Exception) -> Unavailable:
    """Return the ApiError for a request without a response, or with an unreadable one."""
    return Unavailable(what, 0, type(error).__name__, str(error) or "no answer in time")
