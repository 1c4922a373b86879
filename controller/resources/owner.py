"""The owner reference of an object that belongs to a Run."""

from __future__ import annotations

from controller.api.base import JsonObject
from controller.api.names import (
    API_VERSION,
)
from controller.plan.snapshot import RunFacts


def owner_reference(run: RunFacts) -> JsonObject:
    """Return the owner reference that makes the Run the owner: the object is deleted with it."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Run",
        "name": run.name,
        "uid": run.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
