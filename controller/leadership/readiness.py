"""Messages of a replica in `/readyz` about its shards. Pure."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from controller.leadership.shard_map import Replica, ShardMap

NOT_YET = "not a member yet: the caches or the store are not ready"


def waiting_message(shards: AbstractSet[int]) -> str:
    """Return the message about shards that are assigned to this replica and that it does not act for yet."""
    return f"waiting for shards {_words(shards)}: other replicas still hold them, or act under an earlier epoch"


def acting_message(shards: AbstractSet[int], layout: ShardMap, wanted: int, last: Replica | None) -> str:
    """Return the message about the shards that this replica acts for, and about a shard count that differs from its own."""
    does = f"acts for {_words(shards)} of {layout.shards} shards under epoch {layout.epoch}"
    if last is None or wanted == layout.shards:
        return does
    return f"{does}; its own --shards is {wanted}, but {last.name} was started later and decides the number"


def _words(shards: AbstractSet[int]) -> str:
    return ", ".join(map(str, sorted(shards))) or "none"
