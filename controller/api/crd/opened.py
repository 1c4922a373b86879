"""The typed parts of an otherwise open field, as structural schemas made from the table that the operator checks by."""

from __future__ import annotations

from typing import Any

from controller.api.base import JsonObject
from controller.api.shapes import Items, Leaf, Typed, Values
from controller.api.template import TEMPLATE

OPEN_FIELDS = {"Run.spec.agents[].template": TEMPLATE}
"""The fields whose unknown content reaches the operator, which refuses it with its path; by where they stand."""

OPEN: JsonObject = {"x-kubernetes-preserve-unknown-fields": True}


AROUND = (
    "The operator checks its fields, and blocks the Run with the path of one that is not allowed; these parts the API server knows."
)


def opened(path: str) -> JsonObject:
    """Return what a structural schema says of an open field beside its type: that it is open, and its typed parts."""
    return OPEN | _around(OPEN_FIELDS.get(path), "pod")


def _around(shape: Any, path: str) -> JsonObject:
    """The typed parts below a shape, whose own fields stay open; `path` is where a Pod has the same."""
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
    """The schema of a typed part. Raises ValueError for one that is not bounded."""
    if isinstance(shape, Leaf) and shape.schema:
        return dict(shape.schema)
    if isinstance(shape, Items) and shape.most:
        items = _schema(shape.shape, path)
        return {"type": "array", "maxItems": shape.most, "items": items, "x-kubernetes-list-type": "atomic"}
    if isinstance(shape, Values) and shape.most:
        return {"type": "object", "maxProperties": shape.most, "additionalProperties": _schema(shape.shape, path)}
    if isinstance(shape, dict):
        return {"type": "object", "properties": {name: _field(below, f"{path}.{name}") for name, below in shape.items()}}
    raise ValueError(f"{shape} has no bounds, or no schema: a typed part needs both")


def _field(shape: Any, path: str) -> JsonObject:
    unit = "Seconds, as" if path.endswith("Seconds") else "As"
    return {**_schema(shape, path), "description": f"{unit} in a Pod: kubectl explain {path}."}
