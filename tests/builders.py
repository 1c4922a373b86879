"""A Run, its pod and its report for tests, as the API server returns them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from controller.api.base import JsonObject

OWNERS = [{"uid": "run-1", "controller": True}]
"""The owner reference of a dependent of the Run that `a_run` returns by default."""

REPORTED_AT = "2026-01-01T12:00:00Z"


def a_run(name: str = "demo", uid: str = "run-1", version: int = 1, status: object = None, **metadata: Any) -> JsonObject:
    """Return a Run with one agent, coder."""
    meta = {"namespace": "ns", "name": name, "uid": uid, "resourceVersion": str(version), "generation": 1, **metadata}
    return {"metadata": meta, "spec": {"agents": [{"name": "coder", "image": "x"}]}, "status": status or {}}


def a_pod(spec: JsonObject | None = None, status: JsonObject | None = None, **metadata: Any) -> JsonObject:
    """Return the pod of the first attempt of coder."""
    meta = {"namespace": "ns", "name": "demo-coder-r0", "uid": "c0", **metadata}
    return {"metadata": meta, "spec": {"containers": [{"name": "agent"}], "nodeName": "n1"} | (spec or {}), "status": status or {}}


def a_report(status: object, at: str = REPORTED_AT, deliveries: Iterable[JsonObject] = (), **managed: str) -> JsonObject:
    """Return the AgentReport of coder whose status the reporter wrote at a time."""
    fields = [{"manager": "runwatchman-reporter", "subresource": "status", "time": at} | managed]
    meta = {"namespace": "ns", "name": "demo-coder", "managedFields": fields, "ownerReferences": OWNERS}
    spec = {"runName": "demo", "runUID": "run-1", "agent": "coder", "deliveries": list(deliveries)}
    return {"metadata": meta, "spec": spec, "status": status}
