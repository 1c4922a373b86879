"""Observations from a list of Leases: names, annotations, and liveness by our own clock."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from controller.api.base import JsonObject
from controller.leadership.lease_observer import (
    EPOCH,
    HELD_UNDER,
    MOST,
    OUTSIDE,
    READY,
    SHARDS,
    SINCE,
    LeaseObserver,
    layout_of,
    shared,
    with_layout,
)
from controller.leadership.shard_map import Claim, Replica, ShardMap


def lease(name: str, holder: str = "", version: str = "1", notes: Mapping[str, str] = MappingProxyType({})) -> JsonObject:
    metadata = {"name": name, "resourceVersion": version, "annotations": dict(notes)}
    return {"metadata": metadata, "spec": {"holderIdentity": holder, "leaseDurationSeconds": 15}}


def replica(place: int, holder: str, version: str = "1") -> JsonObject:
    return lease(f"rw-replica-{place}", holder, version, notes={SHARDS: "3", SINCE: "now", READY: "true"})


def test_the_layout_is_in_the_first_shards_lease() -> None:
    """Epoch and shard count are read from its annotations, and written without changing other annotations."""
    there = lease("rw", "a", notes={"other": "kept"})
    assert layout_of(there) == layout_of(None) == ShardMap(0, 1)
    written = with_layout(there, ShardMap(7, 3, 5))
    assert layout_of(written) == ShardMap(7, 3, 5)
    assert written["metadata"]["annotations"]["other"] == "kept"
    assert written["spec"] == there["spec"]


def test_a_layout_that_makes_no_sense_is_none() -> None:
    """A typing error in an annotation counts as no layout, and never raises."""
    for epoch, shards in (("x", "3"), ("1", "-3"), ("", "3"), ("1", ""), ("1", "0"), ("٣", "3")):
        assert layout_of(lease("rw", notes={EPOCH: epoch, SHARDS: shards})) == ShardMap()


def test_shards_and_replicas_are_told_by_their_names() -> None:
    """Leases of other programs are ignored, even if their names begin like ours."""
    found = [
        lease("rw", "a", notes={HELD_UNDER: "2", EPOCH: "2", SHARDS: "3"}),
        lease("rw-shard-2", "b", notes={HELD_UNDER: "1"}),
        replica(0, "a"),
        lease("rw-two", "x"),
        lease("rw-shard-02", "x"),
        lease("rw-shard-2-replica-0", "x"),
        lease("other", "x"),
    ]
    view = LeaseObserver("rw").look(found, 0.0)
    assert view.layout == ShardMap(2, 3, 3)
    assert view.claims == {0: Claim("a", 2), 2: Claim("b", 1)}
    assert view.replicas == (Replica("a", 3, "now"),)


def test_a_lone_operator_and_an_outsider_act_under_no_epoch() -> None:
    """A Lease without the annotation has no epoch; neither has one whose holder keeps all others from acting."""
    assert LeaseObserver("rw").look([lease("rw", "a")], 0.0).claims == {0: Claim("a", None)}
    assert LeaseObserver("rw").look([lease("rw", "a", notes=OUTSIDE)], 0.0).claims == {0: Claim("a", None)}


def test_the_runs_are_shared_until_everybody_has_ceased_to() -> None:
    """A lone operator may begin where no replica shares.

    With one shard it waits until that shard was held in the same epoch, which proves that all have drained.
    """
    assert not shared(lease("rw", "a"))
    for shards, epoch, held, still in (("3", "2", "2", True), ("1", "3", "2", True), ("1", "3", "", True), ("1", "3", "3", False)):
        notes = {SHARDS: shards, MOST: "3", EPOCH: epoch, HELD_UNDER: held}
        assert shared(lease("rw", "a", notes=notes)) is still


def test_replica_silent_for_a_lease_is_dead() -> None:
    """A holder counts as alive at first sight and for one duration after each change of its Lease, and no longer."""
    lookout = LeaseObserver("rw")
    first = [replica(0, "a"), lease("rw-shard-1", "a")]
    assert len(lookout.look(first, 100.0).replicas) == 1
    assert len(lookout.look(first, 115.0).claims) == 1
    renewed = [replica(0, "a", "2"), lease("rw-shard-1", "a")]
    view = lookout.look(renewed, 115.5)
    assert (len(view.replicas), len(view.claims)) == (1, 0)
    assert lookout.look(renewed, 131.0).replicas == ()
    assert [dead["metadata"]["name"] for dead in lookout.dead] == ["rw-replica-0"]


def test_places_of_those_that_went_are_taken_again() -> None:
    """The first empty slot is free, with or without a Lease; the slot of a dead replica is not, until its Lease is emptied."""
    lookout = LeaseObserver("rw")
    lookout.look([], 0.0)
    assert lookout.free_slot == 0
    lookout.look([replica(0, "a"), replica(1, ""), replica(2, "c")], 0.0)
    assert lookout.free_slot == 1
    lookout.look([replica(0, "a"), replica(1, "b"), replica(2, "c")], 100.0)
    assert lookout.free_slot == 3
