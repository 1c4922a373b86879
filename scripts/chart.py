"""Write or check the generated files of the chart and manifests/: CRDs, roles, admission policies, the policy's schema, the
table of values.

scripts/chart.py [--check]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml
from chart_readme import table
from generated import ROOT, keep

CHART = ROOT / "charts/runwatchman"
COPIES = {
    CHART / "files/crds": ROOT / "crds",
    CHART / "files/rbac": ROOT / "manifests/rbac",
    CHART / "files/admission": ROOT / "manifests/admission",
    ROOT / "manifests/crds": ROOT / "crds",
}
"""A folder of copies -> their source: neither helm nor kustomize reads files outside its own folder."""

KUSTOMIZATION = "kustomization.yaml"

POLICY_VALUES = (
    ("reporter", "resources", "reporterResources"),
    ("agents", "podSecurity", "podSecurity"),
    *(("agents", name, name) for name in ("imagePullSecrets", "env", "caBundle", "nodeSelector", "tolerations", "resources")),
    ("agents", "podMetadata", "podMetadata"),
)
"""A group of values, its value, and the policy's field that describes it."""

NULLABLE = ("resources", "livenessProbe", "readinessProbe")
"""Objects with known fields that are not groups of values."""

START, END = "<!-- generated: values -->", "<!-- end of generated -->"

UNKNOWN_TO_HELM = {"x-kubernetes-validations", "x-kubernetes-list-type", "x-kubernetes-map-type", "x-kubernetes-list-map-keys"}
LEFT_OUT = UNKNOWN_TO_HELM | {"description", "default", "format"}
"""Keys of the CRD's schema that JSON Schema does not have, or that a refusal does not need."""


def wanted() -> dict[Path, str]:
    """Return every generated file with its content."""
    copies = {
        folder / path.name: path.read_text()
        for folder, source in COPIES.items()
        for path in sorted(source.glob("*.yaml"))
        if path.name != KUSTOMIZATION
    }
    return {**copies, CHART / "values.schema.json": _values_schema(), CHART / "README.md": _readme()}


def present() -> list[Path]:
    """Return the existing copies."""
    return [path for folder in COPIES for path in folder.glob("*") if path.name != KUSTOMIZATION]


def _readme() -> str:
    """Return the chart's present README, with the table of its values."""
    before, rest = (CHART / "README.md").read_text().split(START)
    return f"{before}{START}\n\n{table((CHART / 'values.yaml').read_text())}\n{END}{rest.split(END)[1]}"


def _values_schema() -> str:
    """Return the chart's present schema, with `policy` and the values that a policy may replace from the CRD of RunPolicy."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    crd = yaml.safe_load((ROOT / "crds/runwatchman.dev_runpolicies.yaml").read_text())
    policy = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    schema["properties"]["policy"] = _for_helm(policy)
    fields = schema["properties"]["policy"]["properties"]
    for group, value, field in POLICY_VALUES:
        schema["properties"][group]["properties"][value] = _or_empty(fields[field])
    _require(schema, yaml.safe_load((CHART / "values.yaml").read_text()))
    return json.dumps(schema, indent=1) + "\n"


def _or_empty(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a value that is an empty object by default."""
    return {"anyOf": [{"type": "object", "maxProperties": 0}, schema]} if "required" in schema else schema


def _require(schema: dict[str, Any], values: dict[str, Any]) -> None:
    """Require every group, list, number and flag: helm removes a value that is null, and the templates need it."""
    schema["required"] = [
        name for name, value in values.items() if value != "" and (not isinstance(value, dict) or _is_group(schema, name))
    ]
    for name in schema["required"]:
        if isinstance(values[name], dict):
            _require(schema["properties"][name], values[name])


def _is_group(schema: dict[str, Any], name: str) -> bool:
    """Whether an object of the values consists of values of the chart. Others are Kubernetes' or a policy's, and may be null."""
    return name not in NULLABLE and "properties" in schema["properties"][name]


def _for_helm(node: Any) -> Any:
    """Return a part of a CRD's schema as JSON Schema; objects with known fields accept no others."""
    if isinstance(node, list):
        return [_for_helm(each) for each in node]
    if not isinstance(node, dict):
        return node
    made = {key: _for_helm(value) for key, value in node.items() if key not in LEFT_OUT and key != "properties"}
    if "properties" in node:
        made["properties"] = {name: _for_helm(field) for name, field in node["properties"].items()}
        made.setdefault("additionalProperties", False)
    return made


if __name__ == "__main__":
    sys.exit(keep(wanted(), sys.argv[1:], present=present()))
