"""From the Leases of a namespace to a View: their names, annotations, and who is alive. Reads no clock and asks nobody."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping

from controller.api.base import JsonObject
from controller.api.names import GROUP
from controller.kube.leader_election import LeaseObservation
from controller.leadership.shard_map import Claim, Replica, ShardMap, View

SHARDS = f"{GROUP}/shards"
"""On the first shard's Lease: how many shards there are. On a replica's: how many it was told."""
EPOCH = f"{GROUP}/epoch"
"""On the first shard's Lease: the epoch of that number."""
MOST = f"{GROUP}/most-shards"
"""On the first shard's Lease: the most that there ever were."""
HELD_UNDER = f"{GROUP}/held-under-epoch"
"""On a shard's Lease: the epoch that its holder acts under."""
SINCE, READY = f"{GROUP}/started-at", f"{GROUP}/ready"
"""On a replica's Lease: when its process started, by the API server's clock, and whether it can work."""

OUTSIDE = {HELD_UNDER: ""}
"""What somebody writes who holds the first shard's Lease to keep every replica from acting."""


def shard_name(lease: str, shard: int) -> str:
    """Return the name of a shard's Lease; the first has the name that a lone operator's has."""
    return f"{lease}-shard-{shard}" if shard else lease


def replica_name(lease: str, place: int) -> str:
    """Return the name of a replica's Lease. Places are taken again, so that no more Leases are left than there were replicas."""
    return f"{lease}-replica-{place}"


def layout_of(lease: JsonObject | None) -> ShardMap:
    """Read the layout from the first shard's Lease. What is no number counts as not said."""
    notes = _notes(lease or {})
    epoch, shards = _number(notes.get(EPOCH)), _number(notes.get(SHARDS))
    return ShardMap(epoch, shards, max(shards, _number(notes.get(MOST)))) if epoch and shards else ShardMap()


def shared(lease: JsonObject) -> bool:
    """Whether the first shard's Lease says that the Runs are shared, or that not everybody has ceased to share them."""
    layout = layout_of(lease)
    return layout.shards > 1 or (layout.epoch > 0 and _number(_notes(lease).get(HELD_UNDER)) != layout.epoch)


def with_layout(lease: JsonObject, layout: ShardMap) -> JsonObject:
    """Return the first shard's Lease with a layout."""
    notes = {**_notes(lease), EPOCH: str(layout.epoch), SHARDS: str(layout.shards), MOST: str(layout.most)}
    return {**lease, "metadata": {**lease["metadata"], "annotations": notes}}


class LeaseObserver:
    """Watches Leases of one name. One counts as alive until it has stayed unchanged for its duration, by the caller's clock."""

    def __init__(self, lease: str) -> None:
        self._lease = lease
        self._shard = re.compile(rf"{re.escape(lease)}(?:-shard-([1-9]\d*))?")
        self._replica = re.compile(rf"{re.escape(lease)}-replica-(\d+)")
        self._seen: dict[str, LeaseObservation] = {}
        self.leases: Mapping[str, JsonObject] = {}
        self.dead: list[JsonObject] = []
        self.free_place = 0

    def look(self, found: Iterable[JsonObject], now: float) -> View:
        """Take in a list of Leases, `now` in monotonic seconds, and return what it shows."""
        self.leases = {lease["metadata"]["name"]: lease for lease in found}
        alive = {name: lease for name, lease in self.leases.items() if self._alive(name, lease, now)}
        replicas = {int(at[1]): lease for name, lease in alive.items() if (at := self._replica.fullmatch(name))}
        shards = {int(at[1] or 0): lease for name, lease in alive.items() if (at := self._shard.fullmatch(name))}
        self.dead = [self.leases[name] for name in self.leases.keys() - alive if self._has_died(name)]
        self.free_place = next(place for place in itertools.count() if self._is_free(place))
        return View(
            layout_of(self.leases.get(self._lease)),
            tuple(_replica(lease) for _, lease in sorted(replicas.items())),
            {shard: Claim(_holder(lease), _epoch(lease)) for shard, lease in shards.items()},
        )

    def _has_died(self, name: str) -> bool:
        return bool(self._replica.fullmatch(name) and _holder(self.leases[name]))

    def _is_free(self, place: int) -> bool:
        lease = self.leases.get(replica_name(self._lease, place))
        return lease is None or not _holder(lease)

    def _alive(self, name: str, lease: JsonObject, now: float) -> bool:
        duration = lease["spec"].get("leaseDurationSeconds", 0)
        self._seen[name] = seen = self._seen.get(name, LeaseObservation()).followed(lease, now, duration)
        return bool(seen.holder) and not seen.expired_by(now)


def _replica(lease: JsonObject) -> Replica:
    notes = _notes(lease)
    return Replica(_holder(lease), _number(notes.get(SHARDS)) or 1, notes.get(SINCE, ""), notes.get(READY) == "true")


def _epoch(lease: JsonObject) -> int | None:
    text = _notes(lease).get(HELD_UNDER)
    return _number(text) if text else None


def _holder(lease: JsonObject) -> str:
    return str(lease["spec"].get("holderIdentity") or "")


def _notes(lease: JsonObject) -> dict[str, str]:
    return dict(lease.get("metadata", {}).get("annotations") or {})


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() else 0
