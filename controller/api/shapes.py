"""What a part of a pod template may look like, as data. One table makes the schema of a typed part and the operator's own check."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from controller.api.base import JsonObject

MAX_KEY = 317
"""Characters of a label's key: a prefix of 253, a slash and a name of 63."""

MAX_ITEMS = 64
"""Items of a list, or entries of a map, in a typed part; pods that are scheduled by more are not known."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A field's allowed JSON types and, where not every value will do, a check that returns what is wrong or an empty text.

    `schema` says the same as an OpenAPI schema; only leaves of typed parts need it.
    """

    types: tuple[type, ...]
    check: Callable[[Any], str] = lambda _: ""
    schema: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Items:
    """A list of at most so many items, which all have this shape."""

    shape: Any
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Values:
    """A map of at most so many entries, whose values all have this shape; `check` judges its keys."""

    shape: Any
    check: Callable[[Any], str] = lambda _: ""
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Typed:
    """A part that the CRD describes, so that the API server checks, prunes and bounds it; around it a template stays open."""

    shape: Any
    description: str


def only(*allowed: object) -> Callable[[Any], str]:
    """Return the check of a value that must be one of a few."""
    return lambda value: "" if value in allowed else f"only {' or '.join(map(json.dumps, allowed))} is allowed"


def text(most: int) -> Leaf:
    """Return the leaf of a text of at most so many characters."""
    bounds = {"type": "string", "maxLength": most}
    return Leaf((str,), lambda value: "" if len(value) <= most else f"may have at most {most} characters", bounds)


def number(least: int, most: int) -> Leaf:
    """Return the leaf of a whole number within bounds."""
    bounds = {"type": "integer", "format": "int64", "minimum": least, "maximum": most}
    return Leaf((int,), lambda value: "" if least <= value <= most else f"must be {least} to {most}", bounds)


def key(name: str) -> str:
    """Judge the key of a label."""
    return "" if len(name) <= MAX_KEY else f"may have at most {MAX_KEY} characters"


def listed(shape: Any) -> Items:
    """Return a list in a typed part."""
    return Items(shape, MAX_ITEMS)
