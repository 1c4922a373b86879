"""Structural schemas for the typed parts of an otherwise open field, made from the table that the operator checks with."""

from __future__ import annotations

from typing import Any

from controller.api.base import JsonObject
from controller.api.shapes import Items, Leaf, Typed, Values
from controller.api.template import TEMPLATE

OPEN_FIELDS = {"Run.spec.agents[].template": TEMPLATE}
"""Path -> shape of the fields that preserve unknown content, so that the operator can refuse it with its path."""

OPEN: JsonObject = {"x-kubernetes-preserve-unknown-fields": True}


AROUND = "The operator checks its fields and blocks the Run with the path of a refused one. The API server checks these parts."


def opened(path: str) -> JsonObject:
    """Return the structural schema of an open field without its type: the mark that it is open, and its typed parts."""
    return OPEN | _around(OPEN_FIELDS.get(path), "pod")


def _around(shape: Any, path: str) -> JsonObject:
    """Return the typed parts below a shape, whose own fields stay open. `path` is the path of the same shape in a Pod."""
    if not isinstance(shape, dict):
        return {}
    parts = {name: part for name, below in shape.items() if (part := _part(below, f"{path}.{name}"))}
    return {"properties": parts} if parts else {}


def _part(shape: Any, path: str) -> JsonObject:
    if isinstance(shape, Typed):
        return {**_schema(shape.shape, path), "description": shape.description}
    around = _around(shape, path)
    return {"type": "object", "description": AROUND, **OPEN, **around} if around else {}


def _schema(shape: Any, path: str) -> JsonObject:
    """Return the schema of a typed part. Raises ValueError for a part without bounds."""
    if isinstance(shape, Leaf) and shape.schema:
        return dict(shape.schema)
    if isinstance(shape, Items) and shape.most:
        items = _schema(shape.shape, path)
        return {"type": "array", "maxItems": shape.most, "items": items, "x-kubernetes-list-type": "atomic"}
    if isinstance(shape, Values) and shape.most:
        return {"type": "object", "maxProperties": shape.most, "additionalProperties": _schema(shape.shape, path)}
    if isinstance(shape, dict):
        return {"type": "object", "properties": {name: _field(below, f"{path}.{name}") for name, below in shape.items()}}
    raise ValueError(f"{shape} has no bounds or no schema: a typed part needs both")


def _field(shape: Any, path: str) -> JsonObject:
    unit = "Seconds, as" if path.endswith("Seconds") else "As"
    return {**_schema(shape, path), "description": f"{unit} in a Pod: kubectl explain {path}."}
