"""Who a replica is among the others, and the Leases that it may come to hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from controller.kube.client import Client
from controller.kube.leader_election import LeaderLease, LeaseTimings


@dataclass(frozen=True, slots=True)
class ReplicaIdentity:
    """Where the Leases are, what they are called, who we are there, and how many shards we were told."""

    namespace: str
    lease: str
    identity: str
    timings: LeaseTimings
    wanted_shards: int

    def create_lease(self, client: Client, name: str, notes: Mapping[str, str]) -> LeaderLease:
        """Return a contender for a Lease; `notes` go along with every renewal."""
        return LeaderLease(client, self.namespace, name, self.identity, self.timings, notes=notes)
