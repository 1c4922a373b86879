"""Pure: converts a Halt or the ClusterHalt to the facts that the planner judges."""

from __future__ import annotations

from controller.api.base import JsonObject
from controller.api.timestamps import parse_time
from controller.plan.snapshot import HaltFacts


def halt_facts(obj: JsonObject) -> HaltFacts:
    """Return the facts of a halt. One that is being deleted is in force until it is gone, as it is for admission."""
    meta, spec = obj["metadata"], obj["spec"]
    since = parse_time(meta.get("creationTimestamp"))
    return HaltFacts(str(spec["by"]), str(spec["reason"]), since, cluster="namespace" not in meta)


def unreadable_halt(obj: JsonObject, why: str) -> HaltFacts:
    """Return the facts of a halt that cannot be read. It halts all the same: nobody should work because of a fault in it."""
    meta = obj["metadata"]
    return HaltFacts(
        "", f"the halt cannot be read: {why}", parse_time(meta.get("creationTimestamp")), cluster="namespace" not in meta
    )
