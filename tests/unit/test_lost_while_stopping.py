"""What a user sees of a Run that must end while its pod cannot be reached."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from controller.api.operator_state import StopDecision
from controller.cli.plan import load
from controller.plan import Snapshot, plan
from controller.plan.actions import CreateEscalation
from controller.plan.snapshot_reader import read_snapshot
from controller.status.status import build_status

FAULT = Path(__file__).parent / "data/faults/stop-on-lost-node.snapshot.yaml"


@pytest.fixture
def situation() -> tuple[Snapshot, datetime]:
    """A stopped Run whose node has been lost for ninety minutes, and the time."""
    return read_snapshot(load(FAULT.read_text()))


def test_a_stopped_run_on_a_lost_node(situation: tuple[Snapshot, datetime]) -> None:
    """The status names node, pod and since when; nothing counts as healthy, a check is due, and a human is asked what to do."""
    snapshot, now = situation
    decision = plan(snapshot, now)
    found = build_status(snapshot, decision, (), {}, now)
    assert (found["phase"], found["reason"]) == ("Stopping", "Unreachable")
    for words in ("spec.desiredState is Stopped", "node n1 of pod demo-coder-r0 is lost since 2026-01-01T10:30:00Z", "--force"):
        assert words in found["message"]
    assert [(agent["health"], agent["reason"]) for agent in found["agents"]] == [("Unreachable", "Unreachable")]
    assert {c["type"]: (c["status"], c["reason"]) for c in found["conditions"]}["Healthy"] == ("False", "Unreachable")
    assert decision.verdict.next_check is not None
    assert decision.verdict.next_check > now
    [asked] = [action for action in decision.actions if isinstance(action, CreateEscalation)]
    assert asked.inquiry.options == ("Wait",)
    assert asked.inquiry.expires_at is None
    assert "kubectl delete pod demo-coder-r0 -n default --force" in asked.inquiry.text


def test_each_stop_asks_by_its_own_escalation(situation: tuple[Snapshot, datetime]) -> None:
    """An escalation that was closed cannot be opened another time, so another stop's has another name."""
    snapshot, now = situation
    state = snapshot.state
    assert state is not None
    stop = state.stop
    assert stop is not None
    changes: tuple[dict[str, object], ...] = ({}, {"at": stop.at + timedelta(seconds=1)}, {"reason": "StopOrdered"})
    names = {_asked(_with_stop(snapshot, stop.model_copy(update=change)), now) for change in changes}
    assert len(names) == len(changes)


def test_a_pod_that_was_deleted_by_force_lets_the_run_end(situation: tuple[Snapshot, datetime]) -> None:
    """On a lost node the deletion by force vouches that the pod has ended: its outcome is recorded, and the Run finishes."""
    snapshot, now = situation
    forced = replace(snapshot, pods=(replace(snapshot.pods[0], forced=True),))
    assert [action.step for action in plan(forced, now).actions][:1] == ["record"]


def _with_stop(snapshot: Snapshot, stop: StopDecision) -> Snapshot:
    assert snapshot.state is not None
    return replace(snapshot, state=snapshot.state.model_copy(update={"stop": stop}))


def _asked(snapshot: Snapshot, now: datetime) -> str:
    [asked] = [action for action in plan(snapshot, now).actions if isinstance(action, CreateEscalation)]
    return asked.inquiry.name
