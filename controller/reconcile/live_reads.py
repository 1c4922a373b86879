"""Reads from the API server's storage what a decision needs; everything that is read goes into the caches, too."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from controller.api.base import JsonObject
from controller.api.names import RunKey, report_name, workspace_name
from controller.api.run import RunSpec
from controller.cache.run_cache import RunCache
from controller.facts.pods import claim_facts
from controller.kube.client import Client
from controller.kube.errors import NotFound
from controller.kube.resources import AGENT_REPORTS, CLAIMS, ESCALATIONS, NAMESPACES, PODS, Resource
from controller.plan.escalations.questions import asked_names
from controller.plan.reads import expected_pod_names, final_pods
from controller.plan.snapshot import ClaimFacts, EscalationFacts, PodFacts, ReportFacts, Snapshot


class LiveReads:
    """Reads objects by name. Raises ApiError where the API server could not be asked."""

    def __init__(self, client: Client, cache: RunCache) -> None:
        self._client, self._cache = client, cache

    async def escalations(self, key: RunKey, open_names: set[str], snapshot: Snapshot) -> tuple[EscalationFacts, ...]:
        """Read the open escalations that the caches know of, and those that the state does."""
        agents = snapshot.state.agents.values() if snapshot.state else ()
        names = open_names | {agent.blocked.escalation for agent in agents if agent.blocked} | asked_names(snapshot)
        objects = await self._all(ESCALATIONS, key.namespace, names)
        return tuple(facts for facts in map(self._cache.apply_escalation, objects) if facts)

    async def reports(self, key: RunKey, agents: set[str]) -> tuple[ReportFacts, ...]:
        """Read the reports of agents."""
        objects = await self._all(AGENT_REPORTS, key.namespace, {report_name(key.name, agent) for agent in agents})
        return tuple(facts for report in objects if (facts := self._cache.apply_report(report, key)))

    async def _all(self, resource: Resource, namespace: str, names: Collection[str]) -> list[JsonObject]:
        """Read the objects of these names that exist, concurrently; no task is created for none or one, the usual case."""
        looks = [self.find(resource, namespace, name) for name in sorted(names)]
        found = await asyncio.gather(*looks) if len(looks) > 1 else [await look for look in looks]
        return [obj for obj in found if obj is not None]

    async def find(self, resource: Resource, namespace: str | None, name: str) -> JsonObject | None:
        """Read an object; None if it does not exist."""
        try:
            return await self._client.get(resource, namespace, name)
        except NotFound:
            return None

    async def pods(self, key: RunKey, names: set[str], spec: RunSpec | None = None) -> tuple[PodFacts, ...]:
        """Read the pods of these names."""
        return tuple(self._cache.apply_pod(pod, key, spec) for pod in await self._all(PODS, key.namespace, names))

    async def changeable_pods(self, key: RunKey, known: Snapshot) -> tuple[PodFacts, ...]:
        """Read the pods that may exist, except those that have terminated: these are as the cache has them."""
        over = final_pods(known)
        doubtful = {pod.name for pod in known.pods if pod not in over}
        spared = {pod.name: pod for pod in over if pod.name not in doubtful}
        read = await self.pods(key, (doubtful | expected_pod_names(known)) - spared.keys(), known.run.spec)
        return tuple(sorted((*spared.values(), *read), key=lambda pod: pod.name))

    async def claims(self, snapshot: Snapshot) -> tuple[ClaimFacts, ...]:
        """Read the workspace claims of the agents that have not started."""
        run = snapshot.run
        wanting = [agent.name for agent in (run.spec.agents if run.spec else ()) if agent.workspace]
        started = snapshot.state.agents if snapshot.state else {}
        names = {workspace_name(run.name, agent) for agent in wanting if agent not in started or not started[agent].pod_uid}
        return tuple(map(claim_facts, await self._all(CLAIMS, run.namespace, names)))

    async def terminating(self, namespace: str, pods: tuple[PodFacts, ...]) -> bool:
        """Return whether the namespace is being deleted.

        Its pods are deleted first, so this is only read when a pod is being deleted.
        """
        if not any(pod.deleting for pod in pods):
            return False
        found = await self.find(NAMESPACES, None, namespace)
        return found is None or "deletionTimestamp" in found["metadata"]
