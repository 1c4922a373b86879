"""Pure: what a replica says of its part in `/readyz`."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from controller.leadership.shard_map import Replica, ShardMap

NOT_YET = "it does not take part yet: its caches or its store are not ready"


def waiting_message(shards: AbstractSet[int]) -> str:
    """Return what to say of shards that are due and not acted for."""
    return f"waiting for shards {_words(shards)}: others still hold them, or act under an earlier epoch"


def acting_message(shards: AbstractSet[int], layout: ShardMap, wanted: int, last: Replica | None) -> str:
    """Return what to say of shards that are acted for, and of a layout that is not what this replica was told."""
    does = f"acts for {_words(shards)} of {layout.shards} shards under epoch {layout.epoch}"
    if last is None or wanted == layout.shards:
        return does
    return f"{does}; it was told --shards {wanted}, but {last.name} was started later and speaks for all"


def _words(shards: AbstractSet[int]) -> str:
    return ", ".join(map(str, sorted(shards))) or "none"
