"""The replica that decides the shard count, when a replica may act, and that the rules reach a stable state."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from controller.leadership.shard_map import (
    Claim,
    Replica,
    ShardMap,
    View,
    all_released,
    can_return_to_single_leader,
    due,
    newest_replica,
    proposal,
)

SMALL, SOME = st.integers(0, 9), st.integers(1, 9)
LAYOUTS = st.builds(lambda epoch, shards, gone: ShardMap(epoch, shards, shards + gone), SMALL, SOME, SMALL)
REPLICAS = st.lists(
    st.builds(Replica, st.sampled_from("abcdef"), st.integers(1, 9), st.sampled_from(["1", "2", "3"]), st.booleans()),
    min_size=1,
    max_size=5,
    unique_by=lambda replica: replica.name,
)


@given(LAYOUTS, REPLICAS)
def test_one_replica_at_the_most_writes_a_layout(layout: ShardMap, replicas: list[Replica]) -> None:
    """For any shard counts and start times, at most one replica writes a layout, with an epoch of its own."""
    view = View(layout, tuple(replicas))
    wanted = [new for replica in replicas if (new := proposal(view, replica.name))]
    assert len(wanted) <= 1
    assert all(new.epoch == layout.epoch + 1 and new.shards != layout.shards for new in wanted)


@given(LAYOUTS, REPLICAS)
def test_replicas_that_disagree_come_to_rest(layout: ShardMap, replicas: list[Replica]) -> None:
    """After one write no replica wants another, and the count is that of the replica that was started last."""
    view = View(layout, tuple(replicas))
    written = next((new for replica in replicas if (new := proposal(view, replica.name))), layout)
    after = replace(view, layout=written)
    assert not any(proposal(after, replica.name) for replica in replicas)
    last = newest_replica(after)
    assert last
    assert written.most >= max(written.shards, layout.most)
    assert written.shards == last.shards == max(replicas, key=lambda replica: (replica.since, replica.name)).shards


@given(LAYOUTS, REPLICAS)
def test_shards_are_due_to_those_that_can_work(layout: ShardMap, replicas: list[Replica]) -> None:
    """Every shard is assigned to one ready replica if there is any, and none to the others."""
    view = View(layout, tuple(replicas))
    shares = {replica.name: due(view, replica.name) for replica in replicas}
    able = [replica for replica in replicas if replica.ready]
    given = sorted(shard for share in shares.values() for shard in share)
    assert given == (list(range(layout.shards)) if able else [])
    assert not any(shares[replica.name] for replica in replicas if not replica.ready)


def test_nobody_begins_while_another_epoch_is_acted_under() -> None:
    """A replica waits for holders of an earlier or later epoch and for one that knows no epochs, but not for one of its own
    epoch.
    """
    view = View(ShardMap(3, 2))
    assert all_released(view)
    assert all_released(replace(view, claims={0: Claim("a", 3), 1: Claim("b", 3)}))
    for epoch in (2, 4, None):
        assert not all_released(replace(view, claims={0: Claim("a", 3), 5: Claim("b", epoch)}))


def test_one_shard_that_all_want_needs_no_sharing() -> None:
    """A replica returns to a single Lease if it sees one held shard, no replica with a higher count, and none in another epoch."""
    view = View(ShardMap(4, 1), (Replica("a", 1, ""), Replica("b", 1, "")), {0: Claim("a", 4)})
    assert can_return_to_single_leader(view)
    assert not can_return_to_single_leader(replace(view, layout=ShardMap(4, 2)))
    assert not can_return_to_single_leader(replace(view, claims={}))
    assert not can_return_to_single_leader(replace(view, replicas=(*view.replicas, Replica("c", 3, ""))))
    assert not can_return_to_single_leader(replace(view, claims={0: Claim("a", 4), 2: Claim("c", 3)}))
