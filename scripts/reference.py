"""Write or check the API reference and the policy's table of fields, from the CRDs alone, so that they match a cluster, and the
tables of a scenario's fields, from the models.

scripts/reference.py [--check]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import scenario_fields
import yaml
from generated import ROOT, keep

API = ROOT / "docs/api.md"
POLICIES = ROOT / "docs/policies.md"
SIMULATE = ROOT / "docs/simulate.md"
KINDS = ("runs", "runpolicies", "escalations", "agentreports", "providers", "halts", "clusterhalts")
"""In the order in which a reader meets them."""

TYPED = "spec.agents[].template.spec"
OPAQUE = {"status.operatorState", f"{TYPED}.affinity", f"{TYPED}.tolerations", f"{TYPED}.topologySpreadConstraints"}
"""The operator's own record, whose fields are not API because only the operator uses it, and fields that equal those of a pod."""

START, END = "<!-- generated: fields -->", "<!-- end of generated -->"
KINDS_START, KINDS_END = "<!-- generated: distributions -->", "<!-- end of distributions -->"
HEADER = """# API

All kinds are `runwatchman.dev/v1alpha1`, namespaced (ClusterHalt is not), and in the category `runwatchman`
(`kubectl get runwatchman`).
`kubectl explain` has the same description of each field. Generated from `crds/` by `scripts/reference.py`.
"""
COLUMNS = "| Field | Takes | Default | |\n|---|---|---|---|\n"

Schema = dict[str, Any]


def wanted() -> dict[Path, str]:
    """Return both pages with their content."""
    crds = [yaml.safe_load((ROOT / f"crds/runwatchman.dev_{plural}.yaml").read_text()) for plural in KINDS]
    policy = next(crd for crd in crds if crd["spec"]["names"]["kind"] == "RunPolicy")
    table = COLUMNS + "".join(_flat(_schema(policy)["properties"]["spec"]))
    scenario = _between(SIMULATE.read_text(), START, END, scenario_fields.fields())
    return {
        API: "\n".join([HEADER, *(_kind(crd) for crd in crds)]),
        POLICIES: _between(POLICIES.read_text(), START, END, table),
        SIMULATE: _between(scenario, KINDS_START, KINDS_END, scenario_fields.distributions()),
    }


def _between(page: str, start: str, end: str, table: str) -> str:
    """Return a page with another table between two marks."""
    before, rest = page.split(start)
    return f"{before}{start}\n\n{table}\n{end}{rest.split(end)[1]}"


def _schema(crd: Schema) -> Schema:
    version: Schema = crd["spec"]["versions"][0]
    schema: Schema = version["schema"]["openAPIV3Schema"]
    return schema


def _kind(crd: Schema) -> str:
    names, schema = crd["spec"]["names"], _schema(crd)
    short = ", ".join(f"`{name}`" for name in names["shortNames"])
    parts = [f"## {names['kind']}\n\n{schema['description']} `kubectl get {names['plural']}`, short {short}.\n"]
    for part in ("spec", "status"):
        if part in schema["properties"]:
            parts += _objects(schema["properties"][part], part)
    return "\n".join(parts)


def _objects(node: Schema, path: str) -> Iterator[str]:
    """Yield a section for an object, then one for each object in it."""
    rows = "".join(_row(name, field, node) for name, field in node["properties"].items())
    description = f"{node['description']}\n\n" if node.get("description") else ""
    yield f"### `{path}`\n\n{description}{_rules(node)}{COLUMNS}{rows}"
    for name, field in node["properties"].items():
        inner, suffix = _inner(field)
        if "properties" in inner and f"{path}.{name}" not in OPAQUE:
            yield from _objects(inner, f"{path}.{name}{suffix}")


def _rules(node: Schema) -> str:
    messages = [rule["message"] for rule in node.get("x-kubernetes-validations", [])]
    return "".join(f"- {message}\n" for message in messages) + ("\n" if messages else "")


def _flat(node: Schema, prefix: str = "") -> Iterator[str]:
    """Yield a row for each field of an object and of the objects in it."""
    for name, field in node["properties"].items():
        inner, suffix = _inner(field)
        yield _row(f"{prefix}{name}", field, node)
        if "properties" in inner:
            yield from _flat(inner, f"{prefix}{name}{suffix}.")


def _inner(field: Schema) -> tuple[Schema, str]:
    """Return the schema of the items of a list or map with their suffix in a path, or else the field itself."""
    if field.get("type") == "array":
        return field["items"], "[]"
    values = field.get("additionalProperties")
    return (values, ".*") if isinstance(values, dict) else (field, "")


def _row(name: str, field: Schema, parent: Schema) -> str:
    description = field.get("description", "").replace("|", "\\|")
    return f"| `{name}` | {_takes(field)} | {_default(name, field, parent)} | {description} |\n"


def _default(name: str, field: Schema, parent: Schema) -> str:
    if "default" in field and field.get("type") != "object":
        return f"`{json.dumps(field['default'])}`"
    return "required" if name.rpartition(".")[2] in parent.get("required", []) else ""


def _takes(field: Schema) -> str:
    """Return a field's type with its limits."""
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if "type" not in field:
        return "quantity (text or number)"
    if field["type"] == "array":
        return f"list{_limit(field, 'maxItems')}: {_takes(field['items'])}"
    if isinstance(field.get("additionalProperties"), dict):
        return f"map{_limit(field, 'maxProperties')}: {_takes(field['additionalProperties'])}"
    if "minimum" in field or "maximum" in field:
        return f"{field.get('minimum', '')} to {field.get('maximum', '')}"
    kind: str = field.get("format") or ("text" if field["type"] == "string" else field["type"])
    return kind + (f" of at most {field['maxLength']} characters" if "maxLength" in field else "")


def _limit(field: Schema, name: str) -> str:
    return f" of at most {field[name]}" if name in field else ""


if __name__ == "__main__":
    sys.exit(keep(wanted(), sys.argv[1:]))
