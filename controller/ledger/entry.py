"""One decision as the ledger keeps it: what was seen, what was planned, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from controller.api.base import JsonObject
from controller.plan import Action, Plan, Snapshot
from controller.plan.serialization import write_action, write_plan, write_snapshot

MEGABYTE = 2**20


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a ledger holds; namespaces share the rows and the bytes."""

    age: timedelta
    rows: int
    size: int = 512 * MEGABYTE


@dataclass(frozen=True, slots=True)
class Entry:
    """One pass that acted."""

    at: datetime
    namespace: str
    run: str
    uid: str
    rule: str
    phase: str
    reason: str
    digest: str
    snapshot: JsonObject
    plan: JsonObject
    outcome: JsonObject


def entry_of(snapshot: Snapshot, plan: Plan, acted: Iterable[Action], error: str, at: datetime) -> Entry:
    """Return the entry of a pass: the plan is the first one that it made, at that time, and `acted` all that it did.

    Given to `runwarden plan`, the snapshot yields the same digest again.
    """
    run, verdict = snapshot.run, plan.verdict
    return Entry(
        at=at,
        namespace=run.namespace,
        run=run.name,
        uid=run.uid,
        rule=plan.rule,
        phase=verdict.phase.value,
        reason=str(verdict.reason),
        digest=plan.digest,
        snapshot=write_snapshot(snapshot, at),
        plan=write_plan(plan),
        outcome={"acted": [write_action(action) for action in acted]} | ({"error": error} if error else {}),
    )
