"""One fact as plain JSON: the names of its fields, in camelCase, and their values."""

from __future__ import annotations

from dataclasses import Field, fields
from functools import lru_cache
from typing import Any, ClassVar, Protocol, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel, to_snake

from controller.api.base import JsonObject
from controller.api.violations import Refused, from_pydantic, violation
from controller.plan.snapshot import PodFacts


class Fact(Protocol):
    """A dataclass: the facts of an object, or a part of them."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


F = TypeVar("F", bound=Fact)


def read_facts(kind: type[F], raws: Any, path: str) -> tuple[F, ...]:
    """Return the facts that mappings at a path describe. Raises Refused."""
    for index, raw in enumerate(raws):
        check_keys(raw, _field_names(kind), f"{path}[{index}].")
    try:
        found: tuple[F, ...] = _adapter(tuple[kind, ...]).validate_python([_snake(raw) for raw in raws])  # type: ignore[valid-type]
    except ValidationError as error:
        raise Refused(from_pydantic(error, path)) from error
    return found


_ADAPTERS: dict[type, TypeAdapter[Any]] = {}
"""The adapter of each kind of facts, built once: building one takes milliseconds."""
_FIELDS: dict[type, frozenset[str]] = {}
"""The names of the fields of each kind of facts in a document."""


def _adapter(kind: type) -> TypeAdapter[Any]:
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def _field_names(kind: type[F]) -> frozenset[str]:
    if kind not in _FIELDS:
        _FIELDS[kind] = frozenset(to_camel(field.name) for field in fields(kind))
    return _FIELDS[kind]


_snake_name, _camel_name = lru_cache(maxsize=1024)(to_snake), lru_cache(maxsize=1024)(to_camel)


def _snake(raw: Any) -> Any:
    if isinstance(raw, dict):
        return {_snake_name(key): value if key == FREE_KEYS else _snake(value) for key, value in raw.items()}
    return raw


FREE_KEYS = "outputs"
"""The field whose keys an agent chooses; they are not field names."""


def _camel(plain: Any) -> Any:
    if isinstance(plain, dict):
        return {_camel_name(key): value if key == FREE_KEYS else _camel(value) for key, value in plain.items()}
    return [_camel(value) for value in plain] if isinstance(plain, list | tuple) else plain


def write_fact(fact: Any) -> JsonObject:
    """Return a fact for a document, without the fields that have their default."""
    plain = _adapter(type(fact)).dump_python(fact, mode="json", exclude_defaults=True)
    found: JsonObject = _camel(plain)
    return found | _kept(fact)


def _kept(fact: Any) -> JsonObject:
    """Return the fields for which a reader's default differs from the field's own default."""
    return {"finalizers": list(fact.finalizers)} if isinstance(fact, PodFacts) else {}


def check_keys(raw: Any, known: frozenset[str] | set[str], prefix: str) -> None:
    """Raise Refused if a value is no mapping, or has a key that is not known."""
    if not isinstance(raw, dict):
        raise Refused((violation(prefix.rstrip(".") or "snapshot", raw, "must be a mapping"),))
    unknown = sorted(set(raw) - known)
    if unknown:
        raise Refused(tuple(violation(f"{prefix}{key}", None, f"is unknown: use {', '.join(sorted(known))}") for key in unknown))
