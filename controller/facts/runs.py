"""Pure: converts a Run object to the facts that the planner judges."""

from __future__ import annotations

from datetime import datetime

from controller.api.base import JsonObject
from controller.api.checks import check_run, parse_run_spec
from controller.api.names import CONDITION_WRITES_ACCEPTED, RunKey
from controller.api.run import RunSpec
from controller.api.timestamps import parse_time
from controller.api.violations import Refused, violation
from controller.plan.snapshot import RunFacts


def key_of(run: JsonObject) -> RunKey:
    """Return the key of a Run object."""
    meta = run["metadata"]
    return RunKey(meta["namespace"], meta["name"], meta["uid"])


def run_facts(obj: JsonObject) -> RunFacts:
    """Read a Run object. Errors in its spec become violations, never an exception."""
    meta = obj["metadata"]
    gone = "deletionTimestamp" in meta
    created, refused = parse_time(meta.get("creationTimestamp")), refused_since(obj)
    common = (meta["namespace"], meta["name"], meta["uid"], meta.get("generation", 0))
    spec: RunSpec | None = None
    try:
        spec = parse_run_spec(obj)
    except Refused as error:
        violations = error.violations
    else:
        violations = check_run(spec, meta["namespace"], meta["name"])
    return RunFacts(*common, spec, violations, gone=gone, created_at=created, refused_since=refused)


def refused_since(run: JsonObject) -> datetime | None:
    """Return since when writes for a Run have been refused, by its condition WritesAccepted; None while they are accepted."""
    conditions = run.get("status", {}).get("conditions", ())
    found = (c["lastTransitionTime"] for c in conditions if (c["type"], c["status"]) == (CONDITION_WRITES_ACCEPTED, "False"))
    return parse_time(next(found, None))


def unreadable_facts(obj: JsonObject, why: str) -> RunFacts:
    """Return the facts of an unreadable Run: its identity, and whether it is being deleted."""
    meta = obj["metadata"]
    wrong = (violation("metadata.uid", meta["uid"], f"the operator cannot read this Run: {why}"),)
    gone = "deletionTimestamp" in meta
    return RunFacts(*key_of(obj), meta.get("generation", 0), spec=None, violations=wrong, gone=gone, unreadable=why)
