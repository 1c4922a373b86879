"""Shapes: the allowed content of a pod template as data. The schema of a typed part and the operator's check use the same table."""

from __future__ import annotations

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


def only(*allowed: object) -> Callable[[Any], str]:
    """Return a check that accepts only the given values."""
    return lambda value: "" if value in allowed else f"only {' or '.join(map(json.dumps, allowed))} is allowed"


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
