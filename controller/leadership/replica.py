"""The identity of a replica, and the Leases that it contends for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from controller.kube.client import Client
from controller.kube.leader_election import LeaderLease, LeaseTimings


@dataclass(frozen=True, slots=True)
class ReplicaIdentity:
    """The Leases' namespace and name, this replica's identity and timings, and its own --shards."""

    namespace: str
    lease: str
    identity: str
    timings: LeaseTimings
    wanted_shards: int

    def create_lease(self, client: Client, name: str, notes: Mapping[str, str]) -> LeaderLease:
        """Return a contender for a Lease. `notes` are annotations that each renewal writes."""
        return LeaderLease(client, self.namespace, name, self.identity, self.timings, notes=notes)
