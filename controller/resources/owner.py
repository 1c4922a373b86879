"""The owner reference by which an object belongs to its Run."""

from __future__ import annotations

from controller.api.base import JsonObject
from controller.api.names import (
    API_VERSION,
)
from controller.plan.snapshot import RunFacts


def owner_reference(run: RunFacts) -> JsonObject:
    """Return the owner reference that makes an object a Run's: it is deleted with the Run."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Run",
        "name": run.name,
        "uid": run.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
