"""Reads live why a pod does not start, once that is about to be escalated: its node, and the Warning Events about it.

Only Events have the cause of a failed mount, attach, sandbox or network. A Run whose pods start costs no request here.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import replace
from datetime import datetime

import structlog

from controller.api.timestamps import later
from controller.facts.pod_events import pod_events
from controller.kube.client import Client
from controller.kube.errors import ApiError, Forbidden
from controller.kube.resources import EVENTS
from controller.plan.reads import stalled_starts
from controller.plan.snapshot import PodEvents, PodFacts, Snapshot
from controller.reconcile.node_lookup import NodeLookup

log = structlog.get_logger(__name__)

EVENTS_READ = 100
"""Maximum Events of one pod that are read."""

FRESH_SECONDS = 60
"""How long a pod's Events count as read: a reconcile observes a Run up to three times."""

REMEMBERED = 1024
"""Maximum pods whose Events are remembered."""


class StartObstacles:
    """Completes snapshots with the reasons why pods do not start."""

    def __init__(self, client: Client, nodes: NodeLookup) -> None:
        self._client, self._nodes = client, nodes
        self._read: OrderedDict[str, tuple[datetime, PodEvents]] = OrderedDict()
        self._forbidden = False

    async def explained(self, snapshot: Snapshot) -> Snapshot:
        """Return the snapshot with the nodes and the Events of pods that are about to be escalated because they do not start."""
        stalled = stalled_starts(snapshot, self._client.server_now())
        if not stalled:
            return snapshot
        lost = {pod.uid: await self._nodes.lost_since(pod) for pod in stalled}
        pods = tuple(replace(pod, node_lost_since=lost.get(pod.uid) or pod.node_lost_since) for pod in snapshot.pods)
        looks = [self._events(snapshot.run.namespace, pod) for pod in stalled if not lost[pod.uid]]
        return replace(snapshot, pods=pods, pod_events=tuple(await asyncio.gather(*looks)))

    async def _events(self, namespace: str, pod: PodFacts) -> PodEvents:
        now, known = self._client.server_now(), self._read.get(pod.uid)
        if known and now < later(known[0], FRESH_SECONDS):
            return known[1]
        found = await self._list(namespace, pod)
        self._read[pod.uid] = (now, found)
        self._read.move_to_end(pod.uid)
        if len(self._read) > REMEMBERED:
            self._read.popitem(last=False)
        return found

    async def _list(self, namespace: str, pod: PodFacts) -> PodEvents:
        """Return the pod's Warnings, or why they cannot be read. That never delays the escalation."""
        selector = f"involvedObject.uid={pod.uid},type=Warning"
        try:
            events = await self._client.list_some(EVENTS, namespace, field_selector=selector, most=EVENTS_READ)
        except ApiError as error:
            self._say_once(error)
            return PodEvents(pod.uid, unread=UNREAD_FORBIDDEN if isinstance(error, Forbidden) else UNREAD)
        return pod_events(pod.uid, events)

    def _say_once(self, error: ApiError) -> None:
        if not isinstance(error, Forbidden) or not self._forbidden:
            log.warning("events of a pod that does not start cannot be read", error=str(error))
        self._forbidden = self._forbidden or isinstance(error, Forbidden)


UNREAD_FORBIDDEN = "the operator may not list Events in this namespace"
UNREAD = "the API server did not answer"
