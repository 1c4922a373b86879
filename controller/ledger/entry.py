"""An entry of the ledger: one decision with its snapshot, plan and result."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from controller.api.base import JsonObject
from controller.plan import Action, Plan, Snapshot
from controller.plan.plan_document import write_action, write_plan
from controller.plan.snapshot_writer import write_snapshot

MEGABYTE = 2**20


@dataclass(frozen=True, slots=True)
class Limits:
    """The maximum age, rows and bytes of a ledger. Namespaces share the rows and the bytes."""

    age: timedelta
    rows: int
    size: int = 512 * MEGABYTE


ACTED, SEEN = "acted", "seen"
"""The kinds of rows: a pass that acted, or a distinct situation in which nothing was due."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A pass that had actions, or a distinct situation."""

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
    kind: str = ACTED


def entry_of(snapshot: Snapshot, plan: Plan, acted: Iterable[Action], error: str, at: datetime, kind: str = ACTED) -> Entry:
    """Return the entry of a pass. The plan is the pass's first one, made at `at`; `acted` are all actions of the pass.

    `runwatchman plan` computes the same digest from the snapshot.
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
        kind=kind,
    )
