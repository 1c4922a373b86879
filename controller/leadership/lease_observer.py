"""Builds a View from the Leases of a namespace: names, annotations, and which holders are alive. No clock and no requests."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping

from controller.api.base import JsonObject
from controller.api.names import GROUP
from controller.kube.lease_observation import LeaseObservation
from controller.leadership.shard_map import Claim, Replica, ShardMap, View

SHARDS = f"{GROUP}/shards"
"""Annotation of the first shard's Lease: the number of shards. Of a replica's: its own --shards."""
EPOCH = f"{GROUP}/epoch"
"""Annotation of the first shard's Lease: the epoch of the number of shards."""
MOST = f"{GROUP}/most-shards"
"""Annotation of the first shard's Lease: the largest number of shards so far."""
HELD_UNDER = f"{GROUP}/held-under-epoch"
"""Annotation of a shard's Lease: the epoch that its holder acts under."""
SINCE, READY = f"{GROUP}/started-at", f"{GROUP}/ready"
"""Annotations of a replica's Lease: when its process started, by the API server's clock, and whether it is ready."""

OUTSIDE = {HELD_UNDER: ""}
"""Annotations of the first shard's Lease while a process outside of the replicas holds it to keep all replicas from acting."""


def shard_name(lease: str, shard: int) -> str:
    """Return the name of a shard's Lease. The first shard's is also the Lease of a single leader."""
    return f"{lease}-shard-{shard}" if shard else lease


def replica_name(lease: str, slot: int) -> str:
    """Return the name of a replica's Lease. Slots are reused, so that there are never more Leases than there were replicas."""
    return f"{lease}-replica-{slot}"


def layout_of(lease: JsonObject | None) -> ShardMap:
    """Read the shard map from the first shard's Lease. A value that is not a number counts as missing."""
    notes = _notes(lease or {})
    epoch, shards = _number(notes.get(EPOCH)), _number(notes.get(SHARDS))
    return ShardMap(epoch, shards, max(shards, _number(notes.get(MOST)))) if epoch and shards else ShardMap()


def shared(lease: JsonObject) -> bool:
    """Whether a single leader must not act: the Lease has several shards, or an epoch that its holder does not act under yet."""
    layout = layout_of(lease)
    return layout.shards > 1 or (layout.epoch > 0 and _number(_notes(lease).get(HELD_UNDER)) != layout.epoch)


def with_layout(lease: JsonObject, layout: ShardMap) -> JsonObject:
    """Return the first shard's Lease with a shard map."""
    notes = {**_notes(lease), EPOCH: str(layout.epoch), SHARDS: str(layout.shards), MOST: str(layout.most)}
    return {**lease, "metadata": {**lease["metadata"], "annotations": notes}}


class LeaseObserver:
    """Observes the Leases of one name. A Lease is alive until it has not changed for its duration, by the caller's clock."""

    def __init__(self, lease: str) -> None:
        self._lease = lease
        self._shard = re.compile(rf"{re.escape(lease)}(?:-shard-([1-9]\d*))?")
        self._replica = re.compile(rf"{re.escape(lease)}-replica-(\d+)")
        self._observations: dict[str, LeaseObservation] = {}
        self.leases: Mapping[str, JsonObject] = {}
        self.dead: list[JsonObject] = []
        self.free_slot = 0

    def look(self, leases: Iterable[JsonObject], now: float) -> View:
        """Process a list of Leases and return the view that it gives. `now` is in monotonic seconds."""
        self.leases = {lease["metadata"]["name"]: lease for lease in leases}
        alive = {name: lease for name, lease in self.leases.items() if self._alive(name, lease, now)}
        replicas = {int(at[1]): lease for name, lease in alive.items() if (at := self._replica.fullmatch(name))}
        shards = {int(at[1] or 0): lease for name, lease in alive.items() if (at := self._shard.fullmatch(name))}
        self.dead = [self.leases[name] for name in self.leases.keys() - alive if self._has_died(name)]
        self.free_slot = next(slot for slot in itertools.count() if self._is_free(slot))
        return View(
            layout_of(self.leases.get(self._lease)),
            tuple(_replica(lease) for _, lease in sorted(replicas.items())),
            {shard: Claim(_holder(lease), _epoch(lease)) for shard, lease in shards.items()},
        )

    def _has_died(self, name: str) -> bool:
        return bool(self._replica.fullmatch(name) and _holder(self.leases[name]))

    def _is_free(self, slot: int) -> bool:
        lease = self.leases.get(replica_name(self._lease, slot))
        return lease is None or not _holder(lease)

    def _alive(self, name: str, lease: JsonObject, now: float) -> bool:
        duration = lease["spec"].get("leaseDurationSeconds", 0)
        previous = self._observations.get(name, LeaseObservation())
        self._observations[name] = current = previous.followed(lease, now, duration)
        return bool(current.holder) and not current.expired_by(now)


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
