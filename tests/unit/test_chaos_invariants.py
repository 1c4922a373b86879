"""Each invariant of the chaos campaign detects its violation: the histories are right except for one fault."""

from __future__ import annotations

from typing import Any

import pytest

from controller.api.base import JsonObject
from controller.api.names import GATE_ADMITTED, LABEL_AGENT, LABEL_ATTEMPT, LABEL_RUN
from tests.chaos.evidence import Change
from tests.chaos.invariants import Law, violations

LAWS = {"work": Law(budget=2, cooldown=5)}
MOMENT = "2026-01-02T03:{:02}:{:02}Z"


class Story:
    """A history that a test builds: every line is one version of an object."""

    def __init__(self) -> None:
        self.changes: list[Change] = []

    def _add(self, kind: str, found: JsonObject, *, gone: bool = False) -> None:
        self.changes.append(Change(len(self.changes), 0.0, kind, gone, found))

    def run(self, attempt: int, restarts: int, phase: str = "Running") -> None:
        """Add a saved version of the Run."""
        status = {"phase": phase, "restarts": restarts, "agents": [{"name": "coder", "attempt": attempt}]}
        self._add("runs", {"metadata": {"name": "work", "namespace": "n", "uid": "run"}, "status": status})

    def pod(self, attempt: int, at: int, uid: str = "", *, gone: bool = False, phase: str = "Running", **more: Any) -> None:
        """Add a pod of the agent, created `at` that second. `more`: gated, ending, deleting, started, ended."""
        labels = {LABEL_RUN: "work", LABEL_AGENT: "coder", LABEL_ATTEMPT: str(attempt)}
        meta: JsonObject = {"name": f"work-coder-r{attempt}", "namespace": "n", "uid": uid or f"pod-{attempt}", "labels": labels}
        meta["creationTimestamp"] = MOMENT.format(0, at)
        spec: JsonObject = {"schedulingGates": [{"name": GATE_ADMITTED}]} if more.get("gated") else {"nodeName": "node"}
        if more.get("ending"):
            spec["activeDeadlineSeconds"] = 1
        if more.get("deleting"):
            meta["deletionTimestamp"] = MOMENT.format(1, 0)
        times = {"startedAt": MOMENT.format(0, more.get("started", at)), "finishedAt": MOMENT.format(0, more.get("ended", at))}
        state = {"terminated": times} if phase in ("Failed", "Succeeded") else {"running": {"startedAt": times["startedAt"]}}
        containers = [] if more.get("gated") else [{"state": state}]
        self._add("pods", {"metadata": meta, "spec": spec, "status": {"phase": phase, "containerStatuses": containers}}, gone=gone)


@pytest.fixture
def story() -> Story:
    """A correct history so far: an agent has crashed, and its second attempt runs."""
    told = Story()
    told.run(0, 0)
    told.pod(0, 0, phase="Pending", gated=True)
    told.pod(0, 0)
    told.pod(0, 0, phase="Failed", ended=9)
    told.run(1, 1)
    told.pod(1, 10, phase="Pending", gated=True)
    told.pod(1, 10)
    return told


def broken(story: Story) -> set[str]:
    """Return the invariants that a history breaks."""
    return {text.partition(":")[0] for text in violations(story.changes, LAWS)}


def test_a_history_in_which_all_is_well(story: Story) -> None:
    """A correct history has no violation."""
    story.pod(1, 10, phase="Succeeded", ended=12)
    story.run(1, 1, "Completed")
    assert violations(story.changes, LAWS) == []


def test_more_charges_than_the_budget(story: Story) -> None:
    """P1: the Run has more charged restarts than its budget."""
    story.run(1, 3)
    story.pod(1, 10, phase="Succeeded", ended=12)
    assert broken(story) == {"P1"}


def test_a_charge_that_is_lost(story: Story) -> None:
    """P1: the Run has fewer charged restarts than before."""
    story.pod(1, 10, phase="Succeeded", ended=12)
    story.run(1, 0)
    assert broken(story) == {"P1"}


def test_an_attempt_that_never_started(story: Story) -> None:
    """P1: an attempt was charged and skipped."""
    story.pod(1, 10, phase="Succeeded", ended=12)
    story.run(2, 2)
    assert broken(story) == {"P1"}


def test_two_started_pods_of_an_attempt(story: Story) -> None:
    """P2: the attempt's pod was deleted and started again."""
    story.pod(1, 10, phase="Failed", ended=12, gone=True)
    story.pod(1, 15, uid="another", phase="Succeeded", ended=17)
    assert broken(story) == {"P2"}


@pytest.mark.parametrize("how", ["ending", "deleting"])
def test_a_pod_that_no_state_has_given_up(story: Story, how: str) -> None:
    """P3: the running attempt is ended although it is still the state's current one."""
    told: dict[str, Any] = {how: True}
    story.pod(1, 10, **told)
    story.pod(1, 10, phase="Failed", ended=12, **told)
    assert broken(story) == {"P3"}


@pytest.mark.parametrize("how", ["ending", "deleting"])
def test_a_pod_that_the_state_has_given_up(story: Story, how: str) -> None:
    """P3 allows the end of an attempt that has a successor, and of any attempt in a Run that stops."""
    told: dict[str, Any] = {how: True}
    story.run(1, 1, "Stopping")
    story.pod(1, 10, phase="Failed", ended=12, **told)
    assert broken(story) == set()


def test_two_live_pods(story: Story) -> None:
    """P4: the next attempt is started while the previous one lives."""
    story.run(2, 2)
    story.pod(2, 16)
    story.pod(1, 10, phase="Failed", ended=16)
    story.pod(2, 16, phase="Succeeded", ended=17)
    assert broken(story) == {"P4"}


def test_containers_that_overlap(story: Story) -> None:
    """P4: by the kubelets' timestamps the next attempt's container ran before the previous one's had ended."""
    story.pod(1, 10, phase="Failed", ended=20)
    story.run(2, 2)
    story.pod(2, 16, phase="Succeeded", started=19, ended=21)
    assert broken(story) == {"P4"}


def test_a_restart_within_the_cooldown(story: Story) -> None:
    """P5: the second restart comes sooner than the cooldown allows."""
    story.pod(1, 10, phase="Failed", ended=12)
    story.run(2, 2)
    story.pod(2, 14, phase="Succeeded", ended=15)
    assert broken(story) == {"P5"}
    by_hand = {"work": Law(budget=2, cooldown=5, by_hand=frozenset({2}))}
    assert violations(story.changes, by_hand) == []


def test_a_pod_that_is_left(story: Story) -> None:
    """A pod that is live or gated at the end is an orphan; a deleted one is not."""
    assert broken(story) == {"orphan"}
    story.pod(1, 10, phase="Succeeded", ended=12)
    story.pod(2, 18, gated=True, phase="Pending")
    assert broken(story) == {"orphan"}
    story.pod(2, 18, gated=True, phase="Pending", gone=True)
    assert broken(story) == set()
