"""The part of `/readyz` about a replica's shards."""

from __future__ import annotations

from controller.leadership.readiness import acting_message, waiting_message
from controller.leadership.shard_map import Replica, ShardMap


def test_shards_are_named() -> None:
    """The shards that a replica waits for or acts for are listed by number, in order; an empty set is written as none."""
    assert "shards 0, 2: " in waiting_message({2, 0})
    assert acting_message(frozenset(), ShardMap(4, 3), 3, None) == "acts for none of 3 shards under epoch 4"


def test_replica_with_another_shard_count_is_named() -> None:
    """Only a replica with a different shard count names the one that decided."""
    last = Replica("newest", 6, "now")
    assert acting_message({1}, ShardMap(2, 6), 6, last) == "acts for 1 of 6 shards under epoch 2"
    assert acting_message({1}, ShardMap(2, 6), 3, last).endswith(
        "its own --shards is 3, but newest was started later and decides the number"
    )
