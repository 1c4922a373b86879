"""The overlays of manifests/ match the chart with their values. `UPDATE_GOLDEN=1` writes them again."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.helm import NAMESPACE, ROOT, Objects, objects, one, render
from tests.chart.test_templates import is_copy, is_hook
from tests.cluster.binaries import find

OVERLAYS = sorted(path for path in (ROOT / "manifests/overlays").iterdir() if path.is_dir())
HELMS_OWN = ("helm.sh/chart", "app.kubernetes.io/managed-by", "app.kubernetes.io/instance", "helm.sh/resource-policy")
"""Labels and annotations that mark an object as managed by helm."""

HEADER = "# Made from the chart with the values beside it: see kustomization.yaml.\n"


def without_helm(node: Any) -> Any:
    """Return an object without helm's own fields."""
    if isinstance(node, list):
        return [without_helm(each) for each in node]
    if isinstance(node, dict):
        return {key: without_helm(value) for key, value in node.items() if key not in HELMS_OWN}
    return node


def operator_of(overlay: Path, home: Path) -> Objects:
    """Return the rendered chart for an overlay, without the base's objects and helm's own."""
    found = objects(render(home, "--skip-tests", "--values", str(overlay / "values.yaml")))
    return [without_helm(each) for each in found if not is_copy(each) and not is_hook(each)]


def built(folder: Path) -> Objects:
    """Return the output of `kubectl kustomize` for a folder."""
    command = [str(find(["kubectl"])["kubectl"]), "kustomize", str(folder)]
    return objects(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.name)
def test_an_overlay_is_the_charts(overlay: Path, tmp_path: Path) -> None:
    """operator.yaml of an overlay equals the chart's current output: neither changes without the other."""
    made = HEADER + yaml.safe_dump_all(operator_of(overlay, tmp_path), sort_keys=False, width=120)
    if os.environ.get("UPDATE_GOLDEN"):
        (overlay / "operator.yaml").write_text(made)
    assert made == (overlay / "operator.yaml").read_text()


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.name)
def test_an_overlay_is_whole(overlay: Path, tmp_path: Path) -> None:
    """An overlay has every CRD, role and policy of the chart, the operator, and its namespace."""
    found = built(overlay)
    charts = objects(render(tmp_path, "--skip-tests", "--values", str(overlay / "values.yaml")))
    names = {(each["kind"], each["metadata"]["name"]) for each in found}
    assert names == {(each["kind"], each["metadata"]["name"]) for each in charts if not is_hook(each)} | {("Namespace", NAMESPACE)}
    assert one(found, "Deployment")["metadata"]["namespace"] == NAMESPACE
