"""The dependencies of every step, and the update of a snapshot from the API server's answer."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from controller.advisor.consultations import Consultations
from controller.api.base import JsonObject
from controller.api.names import RunKey
from controller.cache.run_cache import RunCache
from controller.kube.client import Client
from controller.kube.resources import Resource
from controller.notify.message import SendMessage, discard
from controller.observability.run_metrics import RunMetrics, unregistered
from controller.plan.actions import Creation, Effect
from controller.plan.refused_writes import refusal_of
from controller.plan.snapshot import Snapshot
from controller.resources.network_policy_builder import AgentsNetwork
from controller.resources.reporter_sidecar import Sidecar


@dataclass(frozen=True, slots=True)
class Tools:
    """The API server, the cache for what was written, how to notify people, how reporters run, and the consultations, if any.

    `git_image` is the image that clones repositories, None if agents' workspaces cannot have a source.

    `granted` holds the namespaces in which reporters have their account, `isolated` those in which agents have their NetworkPolicy,
    with the time of the check; `network` is what that policy lets them reach. `provisions` holds namespaces and their default
    accounts, with the time of the read.
    """

    client: Client
    cache: RunCache
    send_message: SendMessage = discard
    sidecar: Sidecar | None = None
    git_image: str | None = None
    consultations: Consultations | None = None
    granted: set[str] = field(default_factory=set)
    network: AgentsNetwork | None = None
    isolated: dict[str, datetime] = field(default_factory=dict)
    run_metrics: RunMetrics = field(default_factory=unregistered)
    provisions: dict[tuple[Resource, str], tuple[datetime, JsonObject]] = field(default_factory=dict)

    def now(self) -> datetime:
        """Return the API server's time."""
        return self.client.server_now()

    def forget_advice(self, key: RunKey) -> None:
        """Keep no consultation about a Run."""
        if self.consultations:
            self.consultations.forget(key)

    def with_pod(self, snapshot: Snapshot, pod: JsonObject) -> Snapshot:
        """Return the snapshot with a pod as the API server just answered it."""
        facts = self.cache.apply_pod(pod, snapshot.run.key, snapshot.run.spec)
        before = next((p for p in snapshot.pods if p.uid == facts.uid), facts)
        facts = replace(facts, node_lost_since=before.node_lost_since)
        return replace(snapshot, pods=(*(p for p in snapshot.pods if p.name != facts.name), facts))


REFUSAL_LIMIT = 900
"""Characters of the API server's refusal that go into status."""


def refused(snapshot: Snapshot, action: Creation | Effect, message: str) -> Snapshot:
    """Return the snapshot with the refusal of an action."""
    return replace(snapshot, refusals=(*snapshot.refusals, refusal_of(action, message[:REFUSAL_LIMIT])))


def without_pod(snapshot: Snapshot, uid: str) -> Snapshot:
    """Return the snapshot without a pod that is gone."""
    return replace(snapshot, pods=tuple(pod for pod in snapshot.pods if pod.uid != uid))
