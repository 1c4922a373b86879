"""The halts in force, by the cache: which Runs they hold, what their changes wake, and the turns after a lift."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from controller.api.base import JsonObject
from controller.api.names import RunKey
from controller.api.operator_state import OperatorState
from controller.cache.halts import AGENTS_PER_SECOND, Halts, Turns
from controller.cache.run_cache import RunCache
from controller.facts.runs import run_facts
from controller.kube.event_recorder import lift_event
from tests.builders import a_run

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def halt(namespace: str = "", uid: str = "h", version: int = 1, **spec: Any) -> JsonObject:
    """Return a Halt, or the ClusterHalt without a namespace."""
    meta = {"name": "halt", "uid": uid, "resourceVersion": str(version), "creationTimestamp": "2026-01-01T00:00:00Z"}
    place = {"namespace": namespace} if namespace else {}
    return {"metadata": meta | place, "spec": {"by": "alice", "reason": "an outage", **spec}}


def test_a_halt_holds_its_namespace_and_the_clusters_holds_all() -> None:
    """The cluster's halt comes first; each ends with its object, and a halt that replaces another is in force at once."""
    changes: list[str | None] = []
    halts = Halts(changes.append)
    halts.namespaced.upsert(halt("a"))
    assert [bool(halts.of(name)) for name in ("a", "b")] == [True, False]
    halts.cluster.upsert(halt(uid="c", by="bob"))
    assert [found and (found.by, found.cluster) for found in map(halts.of, ("a", "b"))] == [("bob", True), ("bob", True)]
    halts.cluster.remove(halt(uid="c"))
    halts.namespaced.upsert(halt("a", "h2", 5, by="carol"))
    halts.namespaced.remove(halt("a"))
    assert (found := halts.of("a"))
    assert found.by == "carol"
    halts.namespaced.retain("a", (), "9")
    assert halts.of("a") is None
    assert changes == ["a", None, None, "a", "a", "a"]


def test_the_age_of_the_oldest_halt() -> None:
    """Each scope has the age of its oldest halt, and 0 without one; a halt without a time has no age."""
    halts = Halts(lambda _: None)
    later = NOW + timedelta(hours=5)
    assert (halts.oldest_age(later, cluster=False), halts.oldest_age(later, cluster=True)) == (0.0, 0.0)
    halts.namespaced.upsert(halt("a"))
    newer = halt("b", "h2")
    newer["metadata"]["creationTimestamp"] = "2026-01-01T04:00:00Z"
    halts.namespaced.upsert(newer)
    assert (halts.oldest_age(later, cluster=False), halts.oldest_age(later, cluster=True)) == (5 * 3600.0, 0.0)
    halts.namespaced.remove(halt("a"))
    assert halts.oldest_age(later, cluster=False) == 3600.0


def test_the_event_of_a_lift() -> None:
    """A Run that goes on after a halt, or is paused, has an Event with the halt's words; one that ends or stays halted has none."""
    before = {"phase": "Halted", "message": "namespace a is halted by alice since 2026-01-01T00:00:00Z: an outage"}

    def after(phase: str, before: JsonObject = before) -> JsonObject | None:
        return lift_event(before, {"metadata": {"name": "r", "namespace": "a", "uid": "u"}, "status": {"phase": phase}})

    found = [after(phase) for phase in ("Queued", "Pending", "Running", "Paused")]
    assert {event["reason"] for event in found if event} == {"HaltLifted"}
    assert len({event["metadata"]["name"] for event in found if event}) == 1
    assert found[0]
    words = "the halt is lifted: namespace a was halted by alice since 2026-01-01T00:00:00Z: an outage"
    assert (found[0]["type"], found[0]["message"]) == ("Normal", words)
    assert [after(phase) for phase in ("Halted", "Stopping", "Stopped", "Failed")] == [None] * 4
    assert after("Queued", {"phase": "Running"}) is None


def test_a_halt_that_cannot_be_read_is_in_force() -> None:
    """Nobody works because of a fault in a halt."""
    halts = Halts(lambda _: None)
    halts.namespaced.upsert({"metadata": halt("a")["metadata"], "spec": None})
    assert (found := halts.of("a"))
    assert found.reason.startswith("the halt cannot be read: ")


def test_a_change_of_a_halt_wakes_the_runs_that_it_holds() -> None:
    """The Runs of other namespaces are left alone."""
    woken: list[RunKey] = []
    cache = RunCache(woken.append)
    for number, namespace in enumerate(("a", "b")):
        run = a_run(f"r{number}", f"u{number}", 1, {})
        run["metadata"]["namespace"] = namespace
        cache.runs.upsert(run)
    woken.clear()
    cache.halts.namespaced.upsert(halt("a"))
    assert [key.namespace for key in woken] == ["a"]
    cache.halts.cluster.upsert(halt(uid="c"))
    assert sorted(key.namespace for key in woken) == ["a", "a", "b"]


def test_turns_keep_the_rate() -> None:
    """A thousand Runs of one agent start over a hundred seconds; a turn stays the same until it is used."""
    turns = Turns()
    first = [turns.of(f"u{number}", 1, NOW) for number in range(1000)]
    assert first == [NOW + timedelta(seconds=number / AGENTS_PER_SECOND) for number in range(1000)]
    assert turns.of("u7", 1, NOW + timedelta(seconds=3)) == first[7]
    turns.forget("u7")
    assert turns.of("u7", 1, NOW) == NOW + timedelta(seconds=1000 / AGENTS_PER_SECOND)


def test_a_run_with_many_agents_takes_their_time() -> None:
    """The rate counts agents, since each is a pod and a client of a provider; nobody waits while nobody else starts."""
    turns = Turns()
    assert [turns.of(uid, 5, NOW) - NOW for uid in ("a", "b")] == [timedelta(), timedelta(seconds=0.5)]
    assert turns.of("late", 1, NOW + timedelta(hours=1)) == NOW + timedelta(hours=1)


def test_only_a_run_that_was_halted_and_is_to_run_takes_a_turn() -> None:
    """A Run that works, is halted still, is paused, or has ended takes none, so it delays nobody."""
    halts, facts = Halts(lambda _: None), run_facts(a_run("r", "u", 1, {}))
    state = OperatorState(run_uid="u", halted_at=NOW, paused_at=NOW)
    assert halts.turn_of(facts, None, NOW) is None
    assert halts.turn_of(facts, state.model_copy(update={"halted_at": None}), NOW) is None
    assert halts.turn_of(facts, state, NOW) == NOW
    halts.namespaced.upsert(halt(facts.namespace))
    assert halts.turn_of(facts, state, NOW) is None


def test_halted_runs_hold_nobody_up() -> None:
    """A Run that is older and halted has no place before others of the operator's own policy, and keeps no slot for itself."""
    cache = RunCache(lambda _: None)
    old, young = a_run("old", "u0", 1, {}, creationTimestamp="2026-01-01T00:00:00Z"), a_run("young", "u1", 1, {})
    old["metadata"]["namespace"], young["metadata"]["namespace"] = "a", "b"
    young["metadata"]["creationTimestamp"] = "2026-01-02T00:00:00Z"
    for run in (old, young):
        cache.runs.upsert(run)
    candidates = [cache.runs.items[uid].value.candidate for uid in ("u0", "u1")]
    assert cache.slots.must_wait(candidates[1], 1)
    cache.halts.namespaced.upsert(halt("a"))
    assert [cache.slots.must_wait(run, 1) for run in candidates] == [False, False]
    cache.halts.namespaced.remove(halt("a"))
    assert cache.slots.must_wait(candidates[0], 1)
