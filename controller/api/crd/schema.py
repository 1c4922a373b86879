"""Converts a pydantic model to a structural OpenAPI v3 schema, or raises an error: nothing is dropped silently.

The rules of structural schemas:
https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
"""

from __future__ import annotations

import copy
from typing import Any

from controller.api.base import ApiModel
from controller.api.crd.opened import opened
from controller.api.crd.validations import validations
from controller.api.quantity import MAX_LENGTH, PATTERN, QUANTITY
from controller.errors import RunwatchmanError

Schema = dict[str, Any]

PLAIN = ("minimum", "maximum", "minLength", "maxLength", "pattern", "minItems", "maxItems", "enum", "format")
"""Keywords with the same meaning in both schemas."""

KNOWN = frozenset(
    {*PLAIN, "$ref", "type", "title", "description", "default", "properties", "required", "items", "anyOf"}
    | {"additionalProperties", "patternProperties", "propertyNames", "maxProperties", "exclusiveMaximum"}
)
INT64 = "int64"


QUANTITY_SCHEMA: Schema = {
    "x-kubernetes-preserve-unknown-fields": True,
    "minimum": 0,
    "maxLength": MAX_LENGTH,
    "pattern": PATTERN,
    "maxItems": 0,
    "maxProperties": 0,
    "not": {"enum": [True, False, {}, []]},
}
"""The schema of a quantity, a number or a text. It has no type: `int-or-string` would refuse `cpu: 0.5`, which Pods take.

Its minimum applies to numbers and its pattern to texts. The rest refuses other types.
"""


class SchemaError(RunwatchmanError):
    """A model has something that a CRD cannot express, or a field without bounds or description."""


def structural(model: type[ApiModel], path: str, *, by_users: bool) -> Schema:
    """Return the structural schema of a model. `path` is its path in the kind, for messages and validations.

    With `by_users`, for models that users write, the API server fills in defaults and checks the keys of maps. Models that only the
    operator writes do without. Raises SchemaError.
    """
    whole = model.model_json_schema(by_alias=True)
    return _Converter(whole.pop("$defs", {}), by_users=by_users).convert(whole, path)


class _Converter:
    def __init__(self, definitions: Schema, *, by_users: bool) -> None:
        self._definitions = definitions
        self._by_users = by_users

    def convert(self, given: Schema, path: str) -> Schema:
        """Convert one schema node with its validations and description."""
        node = self._resolve(given, path)
        if unknown := set(node) - KNOWN:
            raise SchemaError(f"{path}: a CRD cannot express {', '.join(sorted(unknown))}")
        if node.get("type") == QUANTITY:
            return self._quantity(node)
        result: Schema = {"type": _type(node, path)}
        if description := node.get("description"):
            result["description"] = " ".join(description.split())
        result |= {key: node[key] for key in PLAIN if key in node}
        self._bounds(node, result, path)
        result |= self._children(node, result["type"], path)
        default = node.get("default")
        if self._by_users and default is not None and result["type"] not in ("object", "array"):
            result["default"] = default
        if rules := validations(path) + result.pop("x-kubernetes-validations", []):
            result["x-kubernetes-validations"] = rules
        return result

    def _quantity(self, node: Schema) -> Schema:
        default = {"default": node["default"]} if self._by_users and node.get("default") is not None else {}
        description = {"description": node["description"]} if "description" in node else {}
        return {**copy.deepcopy(QUANTITY_SCHEMA), **description, **default}

    def _resolve(self, node: Schema, path: str) -> Schema:
        """Resolve references, and read `X or null` as an optional X."""
        if "anyOf" in node:
            some = [choice for choice in node["anyOf"] if choice.get("type") != "null"]
            if len(some) != 1:
                raise SchemaError(f"{path}: a CRD cannot express a choice of types")
            rest = {key: value for key, value in node.items() if key != "anyOf"}
            return self._resolve({**some[0], **rest}, path)
        if "$ref" in node:
            target = self._definitions[node["$ref"].rpartition("/")[2]]
            rest = {key: value for key, value in node.items() if key != "$ref"}
            return self._resolve({**target, **rest}, path)
        return node

    def _bounds(self, node: Schema, result: Schema, path: str) -> None:
        if "exclusiveMaximum" in node:
            result["maximum"] = node["exclusiveMaximum"] - 1
        kind = result["type"]
        if kind == "integer":
            result["format"] = INT64
        bounded = {
            "string": {"maxLength", "enum", "format"} & set(result),
            "integer": {"minimum", "maximum"} <= set(result),
            "array": "maxItems" in result,
            "boolean": True,
            "object": True,
        }[kind]
        if not bounded:
            raise SchemaError(f"{path}: a {kind} needs bounds")

    def _children(self, node: Schema, kind: str, path: str) -> Schema:
        if kind == "array":
            return {"items": self.convert(node["items"], f"{path}[]"), "x-kubernetes-list-type": "atomic"}
        if kind != "object":
            return {}
        if "properties" in node:
            return self._properties(node, path)
        return self._map(node, path)

    def _properties(self, node: Schema, path: str) -> Schema:
        properties = {}
        for name, child in node["properties"].items():
            where = f"{path}.{name}"
            properties[name] = self.convert(child, where)
            if "description" not in properties[name]:
                raise SchemaError(f"{where}: a field needs a description")
        required = {"required": sorted(node["required"])} if node.get("required") else {}
        preserve = {"x-kubernetes-preserve-unknown-fields": True} if node.get("additionalProperties") is True else {}
        return {"properties": properties, **required, **preserve}

    def _map(self, node: Schema, path: str) -> Schema:
        values = node.get("additionalProperties")
        if values is True:
            return opened(path)
        if "maxProperties" not in node:
            raise SchemaError(f"{path}: a map needs a maximum size")
        rule, values = self._keys(node, path)
        untyped = values.get("type") == QUANTITY
        rules = {"x-kubernetes-validations": [rule]} if self._by_users and not untyped else {}  # CEL knows no map of untyped values
        return {
            "additionalProperties": self.convert(values, f"{path}{{}}"),
            "maxProperties": node["maxProperties"],
            **rules,
        }

    @staticmethod
    def _keys(node: Schema, path: str) -> tuple[dict[str, str], Schema]:
        """Return the CEL rule for a map's keys, which a structural schema cannot describe, and the schema of its values."""
        if "patternProperties" in node:
            ((pattern, values),) = node["patternProperties"].items()
            rule = {
                "rule": f"self.all(key, key.matches({_cel(pattern)}))",
                "message": f"every key must match {pattern}",
            }
            return rule, values
        limit = node.get("propertyNames", {}).get("maxLength")
        if limit is None:
            raise SchemaError(f"{path}: the keys of a map need bounds")
        text = f"every key may have at most {limit} characters"
        return {"rule": f"self.all(key, size(key) <= {limit})", "message": text}, node["additionalProperties"]


def _type(node: Schema, path: str) -> str:
    kind = node.get("type")
    if kind not in ("string", "integer", "boolean", "array", "object"):
        raise SchemaError(f"{path}: a CRD cannot express the type {kind!r}")
    return str(kind)


def _cel(text: str) -> str:
    """Quote a text as a CEL string literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
