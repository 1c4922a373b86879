"""Pure: the condition WritesAccepted. It is False while the API server refuses a write for the Run, with the server's words.

A Run whose writes were never refused has no such condition. The time of its transition starts the time until a human is asked.
"""

from __future__ import annotations

from collections.abc import Iterable

from controller.api.base import JsonObject
from controller.api.names import CONDITION_WRITES_ACCEPTED
from controller.plan import refused_writes
from controller.plan.snapshot import Refusal, Snapshot
from controller.status.condition_reasons import ConditionReason

Condition = tuple[str, str, str, str]
"""A condition: type, status, reason, message."""


def writes_accepted(snapshot: Snapshot, previous: Iterable[JsonObject]) -> tuple[Condition, ...]:
    """Return the condition by the writes of this pass; none for a Run whose writes were never refused."""
    if snapshot.refusals:
        first = snapshot.refusals[0]
        return ((CONDITION_WRITES_ACCEPTED, "False", refused_writes.reason(first), _message(snapshot.refusals)),)
    known = any(condition["type"] == CONDITION_WRITES_ACCEPTED for condition in previous)
    return ((CONDITION_WRITES_ACCEPTED, "True", ConditionReason.ACCEPTED, ""),) if known else ()


def _message(refusals: tuple[Refusal, ...]) -> str:
    first, more = refusals[0], len(refusals) - 1
    agent = f"agent {first.agent}: " if first.agent else ""
    return f"{agent}{refused_writes.text(first)}" + (f" (and {more} more)" if more else "")
