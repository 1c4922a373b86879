"""Names this process in the Leases, and says which Leases these are."""

from __future__ import annotations

import os
import socket
import uuid

from controller.kube.leader_election import LeaseTimings
from controller.leadership.replica import ReplicaIdentity
from controller.settings import Settings


def own_identity(settings: Settings, own_namespace: str) -> ReplicaIdentity:
    """Return the identity of a new process; with a random part unless the settings name it. Raises RunwatchmanError for timings."""
    timings = LeaseTimings(settings.lease_duration, settings.lease_renew_deadline, settings.lease_retry_period)
    identity = settings.identity or f"{socket.gethostname()}_{os.getpid()}_{uuid.uuid4().hex[:8]}"
    namespace = settings.lease_namespace or own_namespace
    return ReplicaIdentity(namespace, settings.lease_name, identity, timings, settings.shards)
