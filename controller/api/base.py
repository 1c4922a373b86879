"""The base class of all models and the bounded types that they share. Quantities have a module of their own."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated, Any, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from controller.strict.constraints import Explained, Whole

JsonObject = dict[str, Any]

MAX_SECONDS = 31_536_000
"""A year: the longest duration of any setting."""

MAX_COUNT = 1_000_000
"""The largest count (restarts, attempts, Runs) of any field."""

MAX_TOKENS = 1_000_000_000_000
"""The largest number of tokens, or of millionths of a US dollar, of any field."""

MAX_EXACT = 2**53 - 1
"""The largest integer that the bounds of a JSON schema, which are floats, represent exactly."""

MAX_WORD, MAX_TEXT, MAX_OUTPUT, MAX_LONG_TEXT = 128, 1024, 4096, 16384
"""Maximum characters of a Word, a Text, an Output and a LongText. An Output is as long as a kubelet's termination message."""

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", min_length=1, max_length=253)]
AgentName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]{0,31}$", min_length=1, max_length=32)]
Word = Annotated[str, StringConstraints(max_length=MAX_WORD)]
Text = Annotated[str, StringConstraints(max_length=MAX_TEXT)]
Output = Annotated[str, StringConstraints(max_length=MAX_OUTPUT)]
LongText = Annotated[str, StringConstraints(max_length=MAX_LONG_TEXT)]
FilledWord = Annotated[
    str,
    StringConstraints(pattern=r"\S", min_length=1, max_length=MAX_WORD),
    Explained(f"must have 1 to {MAX_WORD} characters, not only spaces"),
]
FilledText = Annotated[
    str,
    StringConstraints(pattern=r"\S", min_length=1, max_length=MAX_TEXT),
    Explained(f"must have 1 to {MAX_TEXT} characters, not only spaces"),
]
Argument = Annotated[str, StringConstraints(max_length=32768)]
EnvName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$", min_length=1, max_length=253)]
Path = Annotated[str, StringConstraints(pattern=r"^/[^:\x00]*$", min_length=1, max_length=512)]
Seconds = Annotated[int, Whole(1, MAX_SECONDS)]
SecondsOrOff = Annotated[int, Whole(0, MAX_SECONDS)]
Count = Annotated[int, Whole(0, MAX_COUNT)]
Tokens = Annotated[int, Whole(0, MAX_TOKENS)]
ExitCode = Annotated[int, Field(ge=-(2**31), lt=2**31)]
Generation = Annotated[int, Field(ge=0, le=MAX_EXACT)]
Time = AwareDatetime


class ApiModel(BaseModel):
    """A part of the API: frozen, strict (no coercion), unknown fields refused, camelCase on the wire."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        extra="forbid",
        frozen=True,
        strict=True,
    )


class KeptModel(ApiModel):
    """A part of the operator's record. Fields that a newer version has added are preserved unread as long as the part exists.

    Empty fields are not written (`exclude_if=not_`), except for the counts, which every version writes.
    """

    model_config = ConfigDict(extra="allow")


class ApiEnum(StrEnum):
    """A CamelCase enumeration; on the wire its values are text."""


M = TypeVar("M", bound=ApiModel)


def parse(model: type[M], obj: object) -> M:
    """Return the model that a JSON-like object describes.

    Validation goes through JSON, because strict validation of JSON accepts text for times and enums, but not for numbers. Raises
    pydantic's ValidationError, and ValueError for an object that JSON cannot hold.
    """
    return model.model_validate_json(json.dumps(obj, allow_nan=False))


def dump(model: ApiModel) -> JsonObject:
    """Return the model as a JSON object in camelCase, without unset fields."""
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)
