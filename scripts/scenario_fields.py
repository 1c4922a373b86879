"""The tables of docs/simulate.md: every field of a scenario, and every distribution, from the models alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from controller.api.base import dump
from controller.simulation.distributions import Distribution
from controller.simulation.scenario import Scenario

Schema = dict[str, Any]

COLUMNS = "| Field | Takes | Default | |\n|---|---|---|---|\n"
KINDS = "| Distribution | Takes | |\n|---|---|---|\n"
CONSTANT = "constant"


def fields() -> str:
    """Return the table of a scenario's fields."""
    whole = Scenario.model_json_schema(by_alias=True)
    return COLUMNS + "".join(_rows(whole, whole["$defs"], dump(Scenario()), ""))


def distributions() -> str:
    """Return the table of the distributions."""
    whole = Distribution.model_json_schema(by_alias=True)
    definitions = whole["$defs"]
    rows = (
        _kind(name, _resolved(field, definitions), definitions) for name, field in _top(whole, definitions)["properties"].items()
    )
    return KINDS + "".join(rows)


def _top(whole: Schema, definitions: Schema) -> Schema:
    return _resolved(whole, definitions) if "$ref" in whole else whole


def _rows(node: Schema, definitions: Schema, defaults: Any, prefix: str) -> Iterator[str]:
    """Yield a row for each field of an object and of the objects in it, but not of those in a distribution."""
    for name, given in node["properties"].items():
        field, path = _resolved(given, definitions), f"{prefix}{name}"
        default = defaults.get(name) if isinstance(defaults, dict) else given.get("default")
        description = " ".join(field["description"].split())
        yield f"| `{path}` | {_takes(field, definitions)} | {_default(field, default)} | {description} |\n"
        inner = _resolved(field["items"], definitions) if field.get("type") == "array" else field
        if "properties" in inner and not _is_distribution(inner):
            first = default[0] if isinstance(default, list) else default
            yield from _rows(inner, definitions, first, f"{path}[]." if inner is not field else f"{path}.")


def _resolved(node: Schema, definitions: Schema) -> Schema:
    """Return a schema with its reference resolved, and `X or null` as X."""
    if "anyOf" in node:
        some = next(choice for choice in node["anyOf"] if choice.get("type") != "null")
        return _resolved({**some, **{key: value for key, value in node.items() if key != "anyOf"}}, definitions)
    if "$ref" in node:
        target = definitions[node["$ref"].rpartition("/")[2]]
        return _resolved({**target, **{key: value for key, value in node.items() if key != "$ref"}}, definitions)
    return node


def _is_distribution(node: Schema) -> bool:
    return CONSTANT in node.get("properties", {})


def _takes(field: Schema, definitions: Schema) -> str:
    if _is_distribution(field):
        return "seconds, or a [distribution](#distributions)"
    match field["type"]:
        case "string" if "enum" in field:
            return ", ".join(f"`{value}`" for value in field["enum"])
        case "array":
            return f"list of at most {field['maxItems']}: {_takes(_resolved(field['items'], definitions), definitions)}"
        case "number" | "integer":
            return f"{field['minimum']:.15g} to {field['maximum']:.15g}"
        case "string":
            return (
                "time of day in quotes" if ":" in field.get("pattern", "") else f"text of at most {field['maxLength']} characters"
            )
    return "object"


def _default(field: Schema, value: Any) -> str:
    """Return a field's default as it is written in a file."""
    if value is None or value == "":
        return ""
    if _is_distribution(field):
        return f"`{value[CONSTANT]:.15g}`"
    if isinstance(value, dict):
        return ""
    if isinstance(value, list):
        return "all" if field["items"] and not isinstance(value[0], dict) else ""
    return f"`{value:.15g}`" if isinstance(value, float) else f"`{json.dumps(value)}`"


def _kind(name: str, field: Schema, definitions: Schema) -> str:
    """Return a row for a distribution, with its parameters."""
    text = " ".join(field["description"].split())
    if "properties" in field:
        given = [f"`{key}`: {_lowered(_resolved(inner, definitions)['description'])}" for key, inner in field["properties"].items()]
        return f"| `{name}` | {'; '.join(given)} | {text} |\n"
    items = {"mixture": "a list of `{weight, of}`", "empirical": "a list of seconds"}
    return f"| `{name}` | {items.get(name, 'seconds')} | {text} |\n"


def _lowered(text: str) -> str:
    return (text[0].lower() + text[1:]).rstrip(".")
