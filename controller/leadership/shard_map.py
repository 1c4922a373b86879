"""The shard map: the number of shards, the replica that decides it, and the replicas' rights under it. Pure.

The number is stored with its epoch in one object, the first shard's Lease. The most recently started replica decides it: if the
stored number differs from its --shards, it writes a new epoch. All others follow the object instead of their own --shards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from controller.leadership.rendezvous import shares


class Mode(Enum):
    """The mode of a process: a single leader, or one of several that share the Runs."""

    ALONE = "alone"
    SHARED = "shared"


@dataclass(frozen=True, slots=True)
class ShardMap:
    """The number of shards and its epoch. Without a stored map: one shard, epoch 0.

    `most` is the largest number of shards so far: that many Leases may still be held under an earlier epoch.
    """

    epoch: int = 0
    shards: int = 1
    most: int = 1


@dataclass(frozen=True, slots=True)
class Replica:
    """A live replica: its --shards, when its process started, and whether it is ready."""

    name: str
    shards: int
    since: str
    ready: bool = True


@dataclass(frozen=True, slots=True)
class Claim:
    """The holder of a shard's Lease and its epoch. The epoch is None if it is not recorded: that operator does not know shards."""

    holder: str
    epoch: int | None


@dataclass(frozen=True, slots=True)
class View:
    """The result of one look at the Leases. It has only live holders."""

    layout: ShardMap = ShardMap()
    replicas: tuple[Replica, ...] = ()
    claims: Mapping[int, Claim] = field(default_factory=dict)


def newest_replica(view: View) -> Replica | None:
    """Return the most recently started replica."""
    return max(view.replicas, key=lambda replica: (replica.since, replica.name), default=None)


def proposal(view: View, me: str) -> ShardMap | None:
    """Return the shard map that this replica has to write. Only the newest replica writes one, and only if the number differs."""
    last = newest_replica(view)
    if last is None or last.name != me or last.shards == view.layout.shards:
        return None
    return ShardMap(view.layout.epoch + 1, last.shards, max(last.shards, view.layout.most))


def due(view: View, me: str) -> frozenset[int]:
    """Return the shards that are assigned to this replica. Only ready replicas are assigned shards."""
    able = [replica.name for replica in view.replicas if replica.ready]
    return frozenset(shard for shard, name in shares(able, view.layout.shards).items() if name == me)


def all_released(view: View) -> bool:
    """Whether no Lease is held under another epoch. Until then no replica begins to act under this one."""
    return all(claim.epoch == view.layout.epoch for claim in view.claims.values())


def can_return_to_single_leader(view: View) -> bool:
    """Whether all replicas want one shard and it is held. Then a single Lease is enough, and costs as little as without shards."""
    return view.layout.shards == 1 and 0 in view.claims and all_released(view) and all(r.shards == 1 for r in view.replicas)
