"""Checks a value against its allowed shape. Violations are yielded lazily, so that a caller with enough of them ends the work."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from controller.api.shapes import Items, Leaf, Typed, Unset, Values, allowed
from controller.api.violations import PATH_LIMIT, Violation, shortened, violation

Hint = Callable[[str, Iterable[str]], str]
"""Returns a hint for a field that is not allowed, by its name and the allowed names at that place."""

TYPE_NAMES = {str: "a text", int: "a whole number", bool: "true or false", dict: "an object", list: "a list"}


def misfits(value: Any, shape: Any, path: str, hint: Hint) -> Iterator[Violation]:
    """Yield a violation for each part of a value that does not fit its shape.

    Null is the same as no field, as in a pod. The walk descends only into fields that have a shape, so the table bounds its depth,
    however deep the value is.
    """
    match shape:
        case Typed():
            yield from misfits(value, shape.shape, path, hint)
        case Leaf():
            yield from _leaf(value, shape, path)
        case Items() if isinstance(value, list):
            yield from _too_many(len(value), shape.most, path)
            for index, item in enumerate(value):
                yield from misfits(item, shape.shape, f"{path}[{index}]", hint)
        case Items():
            yield violation(path, value, "must be a list")
        case _ if not isinstance(value, dict):
            yield violation(path, value, "must be an object")
        case Values():
            yield from _too_many(len(value), shape.most, path)
            yield from _map(value, shape, path, hint)
        case _:
            yield from _fields(value, shape, path, hint)


def _leaf(value: Any, shape: Leaf, path: str) -> Iterator[Violation]:
    # bool is an int to Python, but not to JSON.
    fits = type(value) in shape.types
    if not fits:
        quotes = ": put it in quotes" if shape.types == (str,) and isinstance(value, bool | int | float) else ""
        yield violation(path, value, "must be " + " or ".join(TYPE_NAMES[kind] for kind in shape.types) + quotes)
    elif wrong := shape.check(value):
        yield violation(path, value, wrong)


def _too_many(count: int, most: int | None, path: str) -> Iterator[Violation]:
    if most is not None and count > most:
        yield violation(path, None, f"has {count} entries, at most {most} are allowed")


def _map(value: dict[str, Any], shape: Values, path: str, hint: Hint) -> Iterator[Violation]:
    for key, item in value.items():
        where = f"{path}[{shortened(key, PATH_LIMIT)}]"
        if wrong := shape.check(key):
            yield violation(where, None, wrong)
        yield from misfits(item, shape.shape, where, hint)


def _fields(value: dict[str, Any], shape: dict[str, Any], path: str, hint: Hint) -> Iterator[Violation]:
    for key, item in value.items():
        below = shape.get(key)
        where = f"{path}.{shortened(key, PATH_LIMIT)}"
        if isinstance(below, Unset):
            if item is not None and not below.passes(item):
                yield violation(where, item, f"{NOT_ALLOWED}: {below.remedy}")
        elif below is None:
            yield violation(where, item, f"{NOT_ALLOWED}: {hint(shortened(key, PATH_LIMIT), allowed(shape))}")
        elif item is not None:
            yield from misfits(item, below, where, hint)


NOT_ALLOWED = "this field is not allowed"
