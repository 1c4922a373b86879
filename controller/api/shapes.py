"""Shapes: the allowed content of a pod template as data. The schema of a typed part and the operator's check use the same table."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from controller.api.base import JsonObject

MAX_KEY = 317
"""Maximum characters of a label's key: a prefix of 253, a slash and a name of 63."""

MAX_ITEMS = 64
"""Maximum items of a list, or entries of a map, in a typed part. No known pod is scheduled by more."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A field's allowed JSON types and, if not all values are allowed, a check that returns the fault or an empty text.

    `schema` is the equivalent OpenAPI schema. Only leaves of typed parts need it.
    """

    types: tuple[type, ...]
    check: Callable[[Any], str] = lambda _: ""
    schema: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Items:
    """A list of at most `most` items, which all have this shape."""

    shape: Any
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Values:
    """A map of at most `most` entries, whose values all have this shape. `check` checks its keys."""

    shape: Any
    check: Callable[[Any], str] = lambda _: ""
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Typed:
    """A part that the CRD describes, so that the API server checks, prunes and bounds it. The rest of a template is left open."""

    shape: Any
    description: str


@dataclass(frozen=True, slots=True)
class Unset:
    """A field of Kubernetes that a template may not set, and the replacement for it.

    Tools print such fields with empty values and with Kubernetes' defaults. Both pass, and both are left out of the pod.
    """

    remedy: str
    default: object = None

    def passes(self, value: object) -> bool:
        """Whether a value only repeats what a pod without the field has."""
        empty = value is False or (isinstance(value, str | list | dict) and not value)
        return empty or (type(value) is type(self.default) and value == self.default)


def allowed(shape: dict[str, Any]) -> list[str]:
    """Return the names of the fields that an object may set."""
    return [name for name, below in shape.items() if not isinstance(below, Unset)]


def only(*values: object, why: str = "") -> Callable[[Any], str]:
    """Return a check that accepts only the given values. `why` is added to its fault."""
    fault = f"only {' or '.join(map(json.dumps, values))} is allowed" + (f": {why}" if why else "")
    return lambda value: "" if value in values else fault


def without_unset(value: Any, shape: Any) -> Any:
    """Return a copy of a value that fits its shape, without the fields that are null or that a template may not set."""
    match shape:
        case Typed():
            return without_unset(value, shape.shape)
        case Items() if isinstance(value, list):
            return [without_unset(item, shape.shape) for item in value]
        case dict() if isinstance(value, dict):
            fields = {key: item for key, item in value.items() if item is not None and not isinstance(shape.get(key), Unset)}
            return {key: without_unset(item, shape.get(key)) for key, item in fields.items()}
        case _:
            return copy.deepcopy(value)


def text(most: int) -> Leaf:
    """Return the leaf for a text of at most `most` characters."""
    bounds = {"type": "string", "maxLength": most}
    return Leaf((str,), lambda value: "" if len(value) <= most else f"may have at most {most} characters", bounds)


def number(least: int, most: int) -> Leaf:
    """Return the leaf for an integer within bounds."""
    bounds = {"type": "integer", "format": "int64", "minimum": least, "maximum": most}
    return Leaf((int,), lambda value: "" if least <= value <= most else f"must be {least} to {most}", bounds)


def key(name: str) -> str:
    """Return the fault of a label's key, or an empty text."""
    return "" if len(name) <= MAX_KEY else f"may have at most {MAX_KEY} characters"


def listed(shape: Any) -> Items:
    """Return the shape of a list in a typed part."""
    return Items(shape, MAX_ITEMS)
