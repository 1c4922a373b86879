"""What every step needs, and how an answer of the API server goes back into the snapshot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from controller.api.base import JsonObject
from controller.api.names import RunKey
from controller.cluster.client import Client
from controller.consultations import Consultations
from controller.network import AgentsNetwork
from controller.notify.message import Tell, nobody
from controller.plan.snapshot import PodFacts, Snapshot
from controller.sidecar import Sidecar


@dataclass(frozen=True, slots=True)
class Tools:
    """The API server, whom to tell of a pod, an escalation or a report that was written, how to tell people, how reporters run,
    and the consultations, where there is an advisor.

    `granted` holds the namespaces in which reporters are known to have their account, `isolated` those in which agents are known to
    have their NetworkPolicy, and when that was seen; `network` is what it lets them reach.
    """

    client: Client
    learn_pod: Callable[[JsonObject, RunKey], PodFacts]
    learn_escalation: Callable[[JsonObject], None]
    learn_report: Callable[[JsonObject], None]
    tell: Tell = nobody
    sidecar: Sidecar | None = None
    consultations: Consultations | None = None
    granted: set[str] = field(default_factory=set)
    network: AgentsNetwork | None = None
    isolated: dict[str, datetime] = field(default_factory=dict)

    def now(self) -> datetime:
        """Return the API server's time."""
        return self.client.server_now()

    def with_pod(self, snapshot: Snapshot, pod: JsonObject) -> Snapshot:
        """Return the snapshot with a pod as the API server just answered it."""
        facts = self.learn_pod(pod, snapshot.run.key)
        before = next((p for p in snapshot.pods if p.uid == facts.uid), facts)
        facts = replace(facts, node_lost_since=before.node_lost_since)
        return replace(snapshot, pods=(*(p for p in snapshot.pods if p.name != facts.name), facts))


def without_pod(snapshot: Snapshot, uid: str) -> Snapshot:
    """Return the snapshot without a pod that is gone."""
    return replace(snapshot, pods=tuple(pod for pod in snapshot.pods if pod.uid != uid))
