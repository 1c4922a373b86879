"""JSON encoding of a consultation's request and reply. A field that is unknown, missing or of another type is refused by name."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from controller.adapter.contract import MAX_OUTPUT_BYTES, Consumption, Ended, Reply, Request
from controller.errors import RunwatchmanError

CONSULT = "/v1/consult"
MAX_REQUEST_BYTES = 8 * 2**20
MAX_REPLY_BYTES = 2 * MAX_OUTPUT_BYTES + 65_536
"""Room for the output as base64 and for the other fields."""
MAX_NAME, MAX_TIMEOUT_SECONDS, MAX_TOKENS = 253, 31_536_000, 10_000_000
"""Limits of a request's fields. A test checks that they are not lower than the limits of a policy."""

Name = Annotated[str, Field(max_length=MAX_NAME)]
Count = Annotated[int, Field(ge=0)]


class WireError(RunwatchmanError):
    """A body that is not a valid request or reply."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


_Model = TypeVar("_Model", bound=_Strict)


class _Request(_Strict):
    command: Name
    model: Name
    timeout_seconds: Annotated[int, Field(ge=1, le=MAX_TIMEOUT_SECONDS)]
    max_tokens: Annotated[int, Field(ge=1, le=MAX_TOKENS)]
    tenant: Name
    key: Name
    document: dict[str, Any]
    prompt: str
    schema_: Annotated[dict[str, Any], Field(alias="schema")]


class _Consumption(_Strict):
    input_tokens: Count | None
    output_tokens: Count | None
    cost_micro_usd: Count | None


class _Reply(_Strict):
    ended: Ended
    output: str
    detail: str
    model: str
    latency_seconds: Annotated[float, Field(ge=0)]
    consumption: _Consumption


def write_request(request: Request) -> bytes:
    """Return a request's body."""
    return json.dumps(asdict(request), allow_nan=False).encode()


def read_request(body: bytes) -> Request:
    """Parse a request. Raises WireError, which names the field."""
    read = _read(_Request, body)
    return Request(**read.model_dump(by_alias=True))


def write_reply(reply: Reply) -> bytes:
    """Return a reply's body. The output is base64, because it may be any bytes."""
    return json.dumps(asdict(reply) | {"output": base64.b64encode(reply.output).decode()}).encode()


def read_reply(body: bytes) -> Reply:
    """Parse a reply. Raises WireError."""
    read = _read(_Reply, body)
    try:
        output = base64.b64decode(read.output, validate=True)
    except ValueError as error:
        raise WireError(f"output: {error}; base64 is expected") from error
    if len(output) > MAX_OUTPUT_BYTES:
        raise WireError(f"output: it has {len(output)} bytes, at most {MAX_OUTPUT_BYTES} are accepted")
    consumption = Consumption(**read.consumption.model_dump())
    return Reply(read.ended, output, read.detail, read.model, read.latency_seconds, consumption)


def _read(model: type[_Model], body: bytes) -> _Model:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        flaws = (f"{'.'.join(map(str, flaw['loc'])) or 'body'}: {flaw['msg']}" for flaw in error.errors(include_input=False))
        raise WireError("; ".join(flaws)) from error
