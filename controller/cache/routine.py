"""Pure: the changes of a pod that every good start makes. They reach the status, and no decision follows from them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from controller.api.timestamps import later
from controller.plan.agent_health import QUIET_REASONS
from controller.plan.snapshot import PodFacts, ReportFacts

ROUTINE_FIELDS = (
    *("phase", "gated", "gate_index", "bound", "node", "scheduled_at", "started_at", "ready"),
    *("waiting_reason", "waiting_message"),
)
"""The facts that change while a pod starts as it should. A change of any other fact has its Run reconciled at once."""


def is_routine(old: PodFacts, new: PodFacts, report: ReportFacts | None = None) -> bool:
    """Whether a pod only lost its gate, was bound, prepared its start, or began to run and is ready.

    `report` is its reporter's newest. A reporter that has fallen silent before its agent runs is judged when it runs.
    """
    forward = old.gated >= new.gated and old.bound <= new.bound and old.ready <= new.ready
    return forward and _is_well(old) and _is_well(new) and not _is_old(report, new) and _equal_otherwise(old, new)


def _is_well(pod: PodFacts) -> bool:
    """Whether a pod starts without an obstacle, or runs and is ready; one that has to end is not well."""
    starting = pod.phase == "Pending" and pod.waiting_reason in QUIET_REASONS
    return (starting or (pod.phase == "Running" and pod.ready)) and not (pod.deleting or pod.ending_since)


def _is_old(report: ReportFacts | None, pod: PodFacts) -> bool:
    """Whether a report was more than an interval old when the agent started."""
    return bool(report and pod.started_at and pod.started_at > later(report.reported_at, report.interval_seconds))


def _equal_otherwise(old: PodFacts, new: PodFacts) -> bool:
    routine: dict[str, Any] = {name: getattr(new, name) for name in ROUTINE_FIELDS}
    return replace(old, **routine) == new
