"""The API as users read it: `kubectl explain`, columns, short names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from controller.api.crd import build_crds
from tests.cluster import Cluster
from tests.support import apply, await_that, run_of

CRDS = build_crds()


def fields(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for name, field in schema.get("properties", {}).items():
        yield f"{path}.{name}", field
        yield from fields(field, f"{path}.{name}")
        yield from fields(field.get("items", {}), f"{path}.{name}")
        values = field.get("additionalProperties")
        if isinstance(values, dict):
            yield from fields(values, f"{path}.{name}")


@pytest.mark.parametrize("plural", ["runs", "runpolicies", "escalations"])
def test_every_field_is_explained(plural: str) -> None:
    """Every field has a description; one of a time or a token count says so."""
    schema = CRDS[f"runwatchman.dev_{plural}.yaml"]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for path, field in fields(schema):
        if path == ".metadata":
            continue
        assert len(field.get("description", "")) > 3, path
        if path.endswith("Seconds"):
            assert "econds" in field["description"], f"{path} does not name its unit"


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("run.spec.agents.image", "Container image"),
        ("run.spec.activeDeadlineSeconds", "1 to 31536000"),
        ("runpolicy.spec.restartBudget", "0 (never restart) to 1000"),
        ("rwpol.spec.llm.mode", "Assist"),
        ("rwesc.spec.response.decision", "Approve or Deny"),
        ("rwrun.status.phase", "The phase of the Run"),
    ],
)
def test_kubectl_explain(api_cluster: Cluster, path: str, says: str) -> None:
    """`kubectl explain` shows it, by short names too; a new API server takes some seconds to publish the CRDs' schemas."""
    await_that(lambda: says in " ".join(api_cluster.kubectl("explain", path, check=False).split()), f"{says!r} in explain {path}")


def test_columns(api_cluster: Cluster, namespace: str) -> None:
    """`kubectl get` shows the columns that a user looks for, and the category finds every kind."""
    apply(api_cluster, namespace, run_of("r"))
    header = api_cluster.kubectl("-n", namespace, "get", "runs").splitlines()[0].split()
    assert header == ["NAME", "PHASE", "AGENTS", "RESTARTS", "INBOX", "AGE"]
    wide = api_cluster.kubectl("-n", namespace, "get", "runs", "-o", "wide").splitlines()[0].split()
    assert {"POLICY", "REASON"} <= set(wide)
    assert "run.runwatchman.dev/r" in api_cluster.kubectl("-n", namespace, "get", "runwatchman", "-o", "name")
