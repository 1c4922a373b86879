"""Checks a value against its allowed shape. Violations are yielded lazily, so that a caller with enough of them ends the work."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from controller.api.shapes import Items, Leaf, Typed, Values
from controller.api.violations import PATH_LIMIT, Violation, shortened, violation

TYPE_NAMES = {str: "a text", int: "a whole number", bool: "true or false", dict: "an object", list: "a list"}


def misfits(value: Any, shape: Any, path: str, remedies: Mapping[str, str]) -> Iterator[Violation]:
    """Yield a violation for each part of a value that does not fit its shape.

    `remedies` maps refused fields that people often ask for to their replacement. The walk descends only into fields that have a
    shape, so the table bounds its depth, however deep the value is.
    """
    match shape:
        case Typed():
            yield from misfits(value, shape.shape, path, remedies)
        case Leaf():
            yield from _leaf(value, shape, path)
        case Items() if isinstance(value, list):
            yield from _too_many(len(value), shape.most, path)
            for index, item in enumerate(value):
                yield from misfits(item, shape.shape, f"{path}[{index}]", remedies)
        case Items():
            yield violation(path, value, "must be a list")
        case _ if not isinstance(value, dict):
            yield violation(path, value, "must be an object")
        case Values():
            yield from _too_many(len(value), shape.most, path)
            yield from _map(value, shape, path, remedies)
        case _:
            yield from _fields(value, shape, path, remedies)


def _leaf(value: Any, shape: Leaf, path: str) -> Iterator[Violation]:
    # bool is an int to Python, but not to JSON.
    fits = type(value) in shape.types
    if not fits:
        yield violation(path, value, "must be " + " or ".join(TYPE_NAMES[kind] for kind in shape.types))
    elif wrong := shape.check(value):
        yield violation(path, value, wrong)


def _too_many(count: int, most: int | None, path: str) -> Iterator[Violation]:
    if most is not None and count > most:
        yield violation(path, None, f"has {count} entries, at most {most} are allowed")


def _map(value: dict[str, Any], shape: Values, path: str, remedies: Mapping[str, str]) -> Iterator[Violation]:
    for key, item in value.items():
        where = f"{path}[{shortened(key, PATH_LIMIT)}]"
        if wrong := shape.check(key):
            yield violation(where, None, wrong)
        yield from misfits(item, shape.shape, where, remedies)


def _fields(value: dict[str, Any], shape: dict[str, Any], path: str, remedies: Mapping[str, str]) -> Iterator[Violation]:
    for key, item in value.items():
        where = f"{path}.{shortened(key, PATH_LIMIT)}"
        if key in shape:
            yield from misfits(item, shape[key], where, remedies)
        else:
            yield violation(where, item, _not_allowed(key, shape, remedies))


def _not_allowed(key: str, shape: dict[str, Any], remedies: Mapping[str, str]) -> str:
    if remedy := remedies.get(key):
        return f"this field is not allowed: {remedy}"
    near = difflib.get_close_matches(shortened(key, PATH_LIMIT), shape, n=1)
    hint = f"did you mean {near[0]}?" if near else f"allowed here: {', '.join(sorted(shape))}"
    return f"this field is not allowed: {hint}"
