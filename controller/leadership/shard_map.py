"""Pure: how many shards there are, who speaks for that, and what a replica may do under it.

The number stands with its epoch in one object, the first shard's Lease. The replica that was started last speaks for all: where the
number is not what it was told, it writes a new epoch. The others follow the object, whatever they were told themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from controller.leadership.rendezvous import shares


class Mode(Enum):
    """How a process works: as the only one at a time, or beside others."""

    ALONE = "alone"
    SHARED = "shared"


@dataclass(frozen=True, slots=True)
class ShardMap:
    """The number of shards and its epoch. Without an object: one shard, epoch 0.

    `most` is the most shards that there ever were: as many Leases may still be held under an earlier epoch.
    """

    epoch: int = 0
    shards: int = 1
    most: int = 1


@dataclass(frozen=True, slots=True)
class Replica:
    """One living replica: the number that it was told, when its process started, and whether it can work."""

    name: str
    shards: int
    since: str
    ready: bool = True


@dataclass(frozen=True, slots=True)
class Claim:
    """Who holds a shard's Lease, and under which epoch; None where that is not said: an operator that knows of no shards."""

    holder: str
    epoch: int | None


@dataclass(frozen=True, slots=True)
class View:
    """What one look at the Leases has shown: the living only."""

    layout: ShardMap = ShardMap()
    replicas: tuple[Replica, ...] = ()
    claims: Mapping[int, Claim] = field(default_factory=dict)


def newest_replica(view: View) -> Replica | None:
    """Return the replica that was started last."""
    return max(view.replicas, key=lambda replica: (replica.since, replica.name), default=None)


def proposal(view: View, me: str) -> ShardMap | None:
    """Return the layout that this replica has to write: only the speaker writes one, and only where the number differs."""
    last = newest_replica(view)
    if last is None or last.name != me or last.shards == view.layout.shards:
        return None
    return ShardMap(view.layout.epoch + 1, last.shards, max(last.shards, view.layout.most))


def due(view: View, me: str) -> frozenset[int]:
    """Return the shards that are this replica's to hold, by those that can work."""
    able = [replica.name for replica in view.replicas if replica.ready]
    return frozenset(shard for shard, name in shares(able, view.layout.shards).items() if name == me)


def all_released(view: View) -> bool:
    """Whether nobody holds a Lease under another epoch any more: until then nobody begins to act under this one."""
    return all(claim.epoch == view.layout.epoch for claim in view.claims.values())


def can_return_to_single_leader(view: View) -> bool:
    """Whether one shard is all that anybody wants, and is held: then one Lease is enough, and costs what it did before."""
    return view.layout.shards == 1 and 0 in view.claims and all_released(view) and all(r.shards == 1 for r in view.replicas)
