"""maxActiveRuns: the limit is never exceeded, the oldest Runs go first, and no queued Run is forgotten."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from controller.api.names import GATE_ADMITTED, LABEL_RUN, LABEL_RUN_UID, RunKey
from controller.cache.entries import CachedRun
from controller.cache.run_cache import RunCache
from tests.builders import a_pod, a_run

LIMIT = 2
NUMBERS = st.integers(0, 5)
POLICY = {"metadata": {"namespace": "ns", "name": "default", "uid": "policy", "resourceVersion": "1"}, "spec": {}}


def run(number: int, version: int, **status: Any) -> dict[str, Any]:
    return a_run(f"r{number}", f"u{number}", version, status, creationTimestamp=f"2026-01-01T00:00:0{number}Z")


def key(uid: str) -> RunKey:
    return RunKey("ns", f"r{uid[1:]}", uid)


class SlotsModel(RuleBasedStateMachine):
    """Runs are created, started, paused, resumed, ended and deleted in any order, and each is reconciled some time after its
    event.
    """

    def __init__(self) -> None:
        super().__init__()
        self.due: list[RunKey] = []
        self.inventory = RunCache(self.due.append)
        self.inventory.policies.upsert(POLICY)
        self.version = 1
        self.given: set[str] = set()
        self.born: set[str] = set()

    def put(self, number: int, **status: Any) -> None:
        self.version += 1
        self.inventory.runs.upsert(run(number, self.version, **status))

    def kept(self, number: int) -> CachedRun | None:
        return self.inventory.run(key(f"u{number}"))

    @rule(number=NUMBERS)
    def come(self, number: int) -> None:
        if f"u{number}" not in self.born:
            self.born.add(f"u{number}")
            self.put(number)

    @rule(number=NUMBERS)
    def tell_that_it_waits(self, number: int) -> None:
        """A pass writes into the status that its Run is queued; this write does not queue the Run again."""
        kept = self.kept(number)
        if kept and kept.candidate.wants:
            self.version += 1
            self.inventory.apply_run({**kept.obj, "metadata": {**kept.obj["metadata"], "resourceVersion": str(self.version)}})

    @rule(number=NUMBERS)
    def start(self, number: int) -> None:
        if f"u{number}" in self.given and self.kept(number):
            self.put(number, startTime="t", phase="Running")

    @rule(number=NUMBERS, phase=st.sampled_from(["Completed", "Paused"]))
    def end(self, number: int, phase: str) -> None:
        kept = self.kept(number)
        if kept and kept.candidate.active:
            self.given.discard(f"u{number}")
            self.put(number, startTime="t", phase=phase)

    @rule(number=NUMBERS)
    def delete(self, number: int) -> None:
        if self.kept(number):
            self.given.discard(f"u{number}")
            self.inventory.runs.remove(run(number, 0))

    @rule()
    def look(self) -> None:
        if not self.due:
            return
        kept = self.inventory.run(self.due.pop(0))
        if kept and not self.inventory.slots.must_wait(kept.candidate, LIMIT) and (kept.candidate.wants):
            self.given.add(kept.facts.uid)

    @rule()
    def look_at_all(self) -> None:
        """After all Runs were reconciled, a Run is queued only if the slots are taken by older ones."""
        while self.due:
            self.look()
        runs = [kept.value.candidate for kept in self.inventory.runs.items.values()]
        waiting = [each for each in runs if each.wants and each.uid not in self.given]
        taken = {each.uid for each in runs if each.active} | self.given
        assert not waiting or len(taken) >= LIMIT, "a slot is free, and no Run was queued"

    @invariant()
    def never_more_than_the_limit(self) -> None:
        assert len(self.given) <= LIMIT

    @invariant()
    def no_line_outlives_its_runs(self) -> None:
        assert self.inventory.slots.groups <= len(self.inventory.runs.items)


SlotsModel.TestCase.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
TestSlotsModel = SlotsModel.TestCase


def waiting_line(count: int) -> tuple[RunCache, list[RunKey]]:
    told: list[RunKey] = []
    inventory = RunCache(told.append)
    inventory.policies.upsert(POLICY)
    for number in reversed(range(count)):
        inventory.runs.upsert(run(number, number + 1))
    return inventory, told


def test_the_oldest_are_let_through() -> None:
    """For any order of reconciles, the first slots go to the oldest Runs."""
    inventory, _ = waiting_line(5)
    kept = [inventory.run(key(f"u{number}")) for number in reversed(range(5))]
    waits = [inventory.slots.must_wait(each.candidate, LIMIT) for each in kept if each]
    assert waits == [True, True, True, False, False]


def test_an_end_has_one_run_looked_at() -> None:
    """A free slot queues the oldest waiting Run only: with a thousand waiting Runs, a thousand reconciles would be wasted."""
    inventory, told = waiting_line(5)
    for number in range(5):
        kept = inventory.run(key(f"u{number}"))
        assert kept
        inventory.slots.must_wait(kept.candidate, LIMIT)
    inventory.runs.upsert(run(0, 10, startTime="t", phase="Running"))
    told.clear()
    inventory.runs.upsert(run(0, 11, startTime="t", phase="Completed"))
    assert told == [RunKey("ns", "r0", "u0"), RunKey("ns", "r2", "u2")]


def test_queued_run_still_waits_after_its_status_says_so() -> None:
    """The write of the status Queued does not reconcile the Run again, and the Run still gets its turn."""
    inventory, told = waiting_line(2)
    runs = [kept.candidate for number in range(2) if (kept := inventory.run(key(f"u{number}")))]
    assert [inventory.slots.must_wait(each, 1) for each in runs] == [False, True]
    inventory.apply_run(run(1, 10, phase="Pending", reason="Queued"))
    told.clear()
    inventory.runs.remove(runs[0].obj)
    assert told == [RunKey("ns", "r0", "u0"), RunKey("ns", "r1", "u1")]


def test_what_was_promised_by_who_works_on_it_no_more_is_free() -> None:
    """A reservation ends when another operator takes over the Run, and a Run that was queued here is not the next in turn."""
    inventory, told = waiting_line(3)
    runs = [kept.candidate for number in range(3) if (kept := inventory.run(key(f"u{number}")))]
    assert [inventory.slots.must_wait(each, 1) for each in runs] == [False, True, True]
    inventory.release_reservation(key("u0"))
    inventory.release_reservation(key("u1"))
    told.clear()
    inventory.runs.remove(runs[0].obj)
    assert told == [RunKey("ns", "r0", "u0"), RunKey("ns", "r2", "u2")]


def test_a_policy_of_its_own_takes_a_namespace_out_of_the_common_line() -> None:
    """Namespaces without a default policy share the operator's; one that gets its own has its own slots, and all are reconciled."""
    told: list[RunKey] = []
    inventory = RunCache(told.append)
    other = run(1, 2)
    other["metadata"]["namespace"] = "other"
    inventory.runs.upsert(run(0, 1))
    inventory.runs.upsert(other)
    first, second = inventory.run(key("u0")), inventory.run(key("u1")._replace(namespace="other"))
    assert first
    assert second
    assert not inventory.slots.must_wait(first.candidate, 1)
    assert inventory.slots.must_wait(second.candidate, 1)
    told.clear()
    inventory.policies.upsert(POLICY)
    assert set(told) == {RunKey("ns", "r0", "u0"), RunKey("other", "r1", "u1")}
    assert not inventory.slots.must_wait(second.candidate, 1)


def test_a_run_that_names_no_policy_any_more_still_counts() -> None:
    """A Run whose policyRef changes to a missing policy keeps its slot: the next one waits, and gets its turn at the end."""
    due: list[RunKey] = []
    inventory = RunCache(due.append)
    inventory.policies.upsert(POLICY)
    for number in (0, 1):
        inventory.runs.upsert(run(number, number + 1))
    first, second = (inventory.run(key(f"u{number}")) for number in (0, 1))
    assert first
    assert second
    assert not inventory.slots.must_wait(first.candidate, 1)
    stray = run(0, 3, startTime="2026-01-01T00:00:00Z", phase="Running")
    stray["spec"] |= {"policyRef": {"name": "nope"}}
    inventory.runs.upsert(stray)
    assert inventory.slots.must_wait(second.candidate, 1)
    due.clear()
    inventory.runs.upsert(stray | {"metadata": stray["metadata"] | {"resourceVersion": "4"}, "status": {"phase": "Completed"}})
    assert key("u1") in due
    assert not inventory.slots.must_wait(second.candidate, 1)


@pytest.mark.parametrize("pod_first", [True, False])
@pytest.mark.parametrize(
    ("change", "waits"),
    [({}, True), ({"gated": True}, False), ({"owner": "u9"}, False), ({"phase": "Succeeded"}, False)],
    ids=["started", "gated", "of another Run", "terminated"],
)
def test_a_started_pod_holds_the_slot_of_its_run(pod_first: bool, change: dict[str, str], waits: bool) -> None:
    """A Run that another process has started keeps its slot, although its status does not show the start yet."""
    gates = {"schedulingGates": [{"name": GATE_ADMITTED}]} if change.get("gated") else {}
    labels = {LABEL_RUN: "r1", LABEL_RUN_UID: "u1", "runwatchman.dev/agent": "coder", "runwatchman.dev/attempt": "0"}
    owners = [{"uid": change.get("owner", "u1"), "controller": True}]
    pod = a_pod(gates, {"phase": change.get("phase", "Pending")}, name="r1-coder-r0", labels=labels, ownerReferences=owners)
    inventory = RunCache(lambda _: None)
    inventory.policies.upsert(POLICY)
    both = (inventory.pods, pod), (inventory.runs, run(1, 2))
    for store, obj in both if pod_first else both[::-1]:
        store.upsert(obj)
    inventory.runs.upsert(run(0, 1))
    older = inventory.run(key("u0"))
    assert older
    assert inventory.slots.must_wait(older.candidate, 1) is waits
