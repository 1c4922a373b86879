"""No decision follows from a routine change of a pod, so its Run may be reconciled some seconds later."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given

from controller.cache.routine import ROUTINE_FIELDS, is_routine
from controller.plan import Snapshot, plan
from controller.plan.snapshot import PodFacts
from controller.plan.snapshot_reader import read_snapshot
from controller.reconcile.status_throttle import LAG_SECONDS
from tests.unit.plan.generated import situations
from tests.unit.plan.stories import CASES, NOW, document_of

STORIES = [read_snapshot(document_of(path)) for path in CASES]

Pair = tuple[Snapshot, Snapshot]
"""A snapshot before and after a change of one pod."""


def stages(pod: PodFacts, now: datetime) -> tuple[PodFacts, ...]:
    """Return a pod as it starts at a time: gated, ungated, bound, and ready."""
    well: dict[str, Any] = {"termination": None, "init_termination": None, "rejected": False, "unready_since": None}
    well |= {"node_lost_since": None, "without_agent": False, "deleting": False, "deleted_at": None, "ending_since": None}
    fresh: dict[str, Any] = {field.name: field.default for field in PodFacts.__dataclass_fields__.values()}
    gated = replace(pod, **well, **{name: fresh[name] for name in ROUTINE_FIELDS} | {"gated": True})
    bound = replace(gated, gated=False, bound=True, node="n", scheduled_at=now, waiting_reason="ContainerCreating")
    return gated, replace(gated, gated=False), bound, replace(bound, phase="Running", ready=True, started_at=now, waiting_reason="")


def routine_changes(snapshot: Snapshot, now: datetime) -> Iterator[Pair]:
    """Yield the routine changes of each pod that a cache defers: no escalation of the Run is open."""
    if any(escalation.open for escalation in snapshot.escalations):
        return
    for number, pod in enumerate(snapshot.pods):
        report = next((report for report in snapshot.reports if report.pod_uid == pod.uid), None)
        for old, new in combinations(stages(pod, now), 2):
            if is_routine(old, new, report):
                before, after = snapshot.pods[:number], snapshot.pods[number + 1 :]
                yield replace(snapshot, pods=(*before, old, *after)), replace(snapshot, pods=(*before, new, *after))


def hurried(changes: Iterator[Pair], now: datetime) -> list[Pair]:
    """Return the changes after which something is due within the longest delay that was not due without them."""
    soon = [now, now + timedelta(seconds=LAG_SECONDS)]
    return [(old, new) for old, new in changes for at in soon if not plan(old, at).actions and plan(new, at).actions]


def test_no_golden_story_has_an_action_that_follows_from_a_routine_change() -> None:
    """Neither at once nor within the delay: no deadline that begins with the change ends so soon."""
    found = [(snapshot, now, list(routine_changes(snapshot, now))) for snapshot, now in STORIES]
    assert sum(len(changes) for _, _, changes in found) > len(STORIES)
    assert [hurried(iter(changes), now) for _, now, changes in found if hurried(iter(changes), now)] == []


@given(situations())
def test_no_situation_has_one(snapshot: Snapshot) -> None:
    """The same holds for what the API server could hold; a Run that a human was asked about is left to its escalation."""
    if not any(agent.blocked for agent in (snapshot.state.agents.values() if snapshot.state else ())):
        assert hurried(routine_changes(snapshot, NOW), NOW) == []


@pytest.mark.parametrize("change", [{"phase": "Failed", "ready": False}, {"deleting": True}], ids=["fails", "is deleted"])
def test_the_check_notices_a_decision(change: dict[str, Any]) -> None:
    """A change that is not routine is found: something is due when a pod ends."""
    changed = ((old, _changed(new, change)) for snapshot, now in STORIES for old, new in routine_changes(snapshot, now))
    assert hurried(changed, NOW)


def _changed(snapshot: Snapshot, change: dict[str, Any]) -> Snapshot:
    return replace(snapshot, pods=tuple(replace(pod, **change) for pod in snapshot.pods))
