"""From a key to a snapshot: from the caches to see whether anything is due, live before anything is done."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from controller.advisor.consultations import Consultations
from controller.api.base import JsonObject
from controller.api.names import RunKey, pod_name, report_name, workspace_name
from controller.api.policy import LLMMode, NetworkMode, ResolvedPolicy
from controller.cache.active_runs import QueuedRun
from controller.cache.policy_file_watcher import PolicyFileWatcher
from controller.cache.policy_resolver import resolve_policy
from controller.cache.run_cache import RunCache
from controller.facts.pods import claim_facts
from controller.facts.reports import is_believed
from controller.kube.client import Client
from controller.kube.errors import NotFound
from controller.kube.resources import AGENT_REPORTS, CLAIMS, ESCALATIONS, NAMESPACES, PODS, RUNS, Resource
from controller.plan.escalations.questions import asked_names
from controller.plan.snapshot import ClaimFacts, EscalationFacts, PodFacts, ReportFacts, RunFacts, Snapshot
from controller.reconcile.node_lookup import NodeLookup
from controller.store import Loaded, Store


@dataclass(frozen=True, slots=True)
class Observation:
    """A Run as the API server gave it, empty where it is gone, what the store knows of it, and what was observed around it."""

    run: JsonObject
    snapshot: Snapshot
    loaded: Loaded = field(default_factory=Loaded)


class Around(NamedTuple):
    """What was observed of a Run's pods, reports and escalations."""

    pods: tuple[PodFacts, ...] = ()
    reports: tuple[ReportFacts, ...] = ()
    escalations: tuple[EscalationFacts, ...] = ()


class Observer:
    """Gathers every fact that a plan may need, once a pass."""

    def __init__(
        self,
        client: Client,
        inventory: RunCache,
        store: Store,
        policy: PolicyFileWatcher,
        consultations: Consultations | None = None,
        network: NetworkMode = NetworkMode.UNMANAGED,
    ) -> None:
        self._network = network
        self._client, self._inventory, self._store, self._policy = client, inventory, store, policy
        self._consultations = consultations
        self._nodes = NodeLookup(client)

    async def cached(self, key: RunKey) -> Observation:
        """Observe from the caches; cheap, and never enough to act on."""
        cached = self._inventory.run(key)
        if cached is None:
            return self._gone(key, self._inventory.pods_of(key))
        run = cached.obj
        loaded = await self._store.load(run, live=False)
        around = Around(self._inventory.pods_of(key), self._inventory.reports_of(key), self._inventory.escalations_of(key))
        return await self._observe(run, cached.facts, loaded, around)

    async def live(self, key: RunKey, run: JsonObject | None = None) -> Observation:
        """Observe from the API server's storage: the Run, each of its pods, and what else a start needs.

        `run` spares the read of the Run: it is the cached one, for a pass that will save over this very version before any effect.
        """
        cached_pods = self._inventory.pods_of(key)
        run = run or await self._find(RUNS, key.namespace, key.name)
        if run is None or run["metadata"]["uid"] != key.uid:
            return self._gone(key, await self._pods(key, {pod.name for pod in cached_pods}))
        facts = self._inventory.facts_of(run)
        loaded = await self._store.load(run, live=True)
        known = Snapshot(run=facts, state=loaded.state)
        names = {pod.name for pod in cached_pods} | _expected_pod_names(known)
        pods = await self._pods(key, names)
        reports = await self._reports(key, _reporting_agents(known, pods))
        escalations = await self._escalations(key, replace(known, reports=reports, pods=pods))
        seen = await self._observe(run, facts, loaded, Around(pods, reports, escalations))
        claims, terminating = await self._claims(seen.snapshot), await self._terminating(key.namespace, pods)
        return replace(seen, snapshot=replace(seen.snapshot, claims=claims, namespace_terminating=terminating))

    async def _observe(
        self,
        run: JsonObject,
        facts: RunFacts,
        loaded: Loaded,
        around: Around,
    ) -> Observation:
        policy = resolve_policy(self._inventory, self._policy.current, facts)
        snapshot = Snapshot(
            run=facts,
            policy=policy.with_network(self._network) if isinstance(policy, ResolvedPolicy) else None,
            policy_exists=policy is not None,
            policy_refusal=policy if isinstance(policy, str) else "" if policy else _policy_missing_message(facts),
            state=loaded.state,
            state_refusal=loaded.refusal,
            pods=await self._with_nodes(around.pods),
            escalations=around.escalations,
            reports=tuple(report for report in around.reports if is_believed(report, self._client.server_now())),
            consultations=self._consultations.of(facts.key, loaded.state) if self._consultations else (),
            advisor=self._consultations is not None,
            mode=self._mode(policy),
            queued=self._queued(run, facts, policy),
        )
        return Observation(run, snapshot, loaded)

    def _gone(self, key: RunKey, pods: tuple[PodFacts, ...]) -> Observation:
        facts = RunFacts(key.namespace, key.name, key.uid, generation=0, spec=None, gone=True)
        return Observation({}, Snapshot(run=facts, pods=pods))

    def _mode(self, policy: ResolvedPolicy | str | None) -> LLMMode:
        """The effective mode: the policy's, else that of the operator's policy file, else Assist; Off without an advisor."""
        if self._consultations is None or not isinstance(policy, ResolvedPolicy):
            return LLMMode.OFF
        return policy.spec.llm.mode or self._policy.current.spec.llm.mode or LLMMode.ASSIST

    def _queued(self, run: JsonObject, facts: RunFacts, policy: ResolvedPolicy | str | None) -> bool:
        """Whether the Run has to wait for others of its policy."""
        limit = policy.spec.max_active_runs if isinstance(policy, ResolvedPolicy) else None
        return self._inventory.slots.must_wait(QueuedRun(run, facts), limit)

    async def _with_nodes(self, pods: tuple[PodFacts, ...]) -> tuple[PodFacts, ...]:
        """Look up the nodes of pods that may be out of reach: bound, not terminated, and not ready or on their way out."""
        doubtful = [pod for pod in pods if pod.bound and not pod.terminated and (pod.deleting or _may_be_unreachable(pod))]
        lost = {pod.uid: await self._nodes.lost_since(pod) for pod in doubtful}
        return tuple(replace(pod, node_lost_since=lost.get(pod.uid)) for pod in pods) if lost else pods

    async def _escalations(self, key: RunKey, snapshot: Snapshot) -> tuple[EscalationFacts, ...]:
        """The escalations that the caches or the state know of, as they are now."""
        agents = snapshot.state.agents.values() if snapshot.state else ()
        known = {e.name for e in self._inventory.escalations_of(key) if e.open}
        names = known | {agent.blocked.escalation for agent in agents if agent.blocked} | asked_names(snapshot)
        seen = self._inventory
        for escalation in (found := await self._all(ESCALATIONS, key.namespace, names)):
            seen.upsert_escalation(escalation)
        return tuple(judged.facts for judged in map(seen.escalations.judge, found) if judged)

    async def _reports(self, key: RunKey, speakers: set[str]) -> tuple[ReportFacts, ...]:
        """The reports that the caches know of, and those of the speakers."""
        agents = {report.agent for report in self._inventory.reports_of(key)} | speakers
        seen = self._inventory
        for report in (found := await self._all(AGENT_REPORTS, key.namespace, {report_name(key.name, agent) for agent in agents})):
            seen.upsert_report(report)
        ours = (judged.facts for judged in map(seen.reports.judge, found) if judged and judged.key == key)
        return tuple(report for report in ours if report)

    async def _all(self, resource: Resource, namespace: str, names: Collection[str]) -> list[JsonObject]:
        """Read what there is of these names, at once; none or one, as is usual, without a task for it."""
        looks = [self._find(resource, namespace, name) for name in sorted(names)]
        found = await asyncio.gather(*looks) if len(looks) > 1 else [await look for look in looks]
        return [obj for obj in found if obj is not None]

    async def _find(self, resource: Resource, namespace: str | None, name: str) -> JsonObject | None:
        try:
            return await self._client.get(resource, namespace, name)
        except NotFound:
            return None

    async def _pods(self, key: RunKey, names: set[str]) -> tuple[PodFacts, ...]:
        return tuple(self._inventory.upsert_pod(pod, key) for pod in await self._all(PODS, key.namespace, names))

    async def _claims(self, snapshot: Snapshot) -> tuple[ClaimFacts, ...]:
        """The workspace claims of the agents that have not started."""
        run = snapshot.run
        wanting = [agent.name for agent in (run.spec.agents if run.spec else ()) if agent.workspace]
        started = snapshot.state.agents if snapshot.state else {}
        names = {workspace_name(run.name, agent) for agent in wanting if agent not in started or not started[agent].pod_uid}
        return tuple(map(claim_facts, await self._all(CLAIMS, run.namespace, names)))

    async def _terminating(self, namespace: str, pods: tuple[PodFacts, ...]) -> bool:
        """Whether the namespace is being deleted; asked only when a pod is, since its pods go first."""
        if not any(pod.deleting for pod in pods):
            return False
        found = await self._find(NAMESPACES, None, namespace)
        return found is None or "deletionTimestamp" in found["metadata"]


def _policy_missing_message(run: RunFacts) -> str:
    name = run.spec.policy_ref.name if run.spec and run.spec.policy_ref else ""
    return f"RunPolicy {name} (spec.policyRef.name) does not exist in namespace {run.namespace}: create it"


def _may_be_unreachable(pod: PodFacts) -> bool:
    """Whether a pod that runs is not ready: its probe fails, or its node has been lost."""
    return pod.phase == "Running" and not pod.ready


def _expected_pod_names(snapshot: Snapshot) -> set[str]:
    """The names of the pods that may be an agent's: of its attempt, and of the one before where that has not started yet."""
    agents = snapshot.state.agents if snapshot.state else {}
    names = set()
    for name, agent in agents.items():
        if agent.outcome is None:
            names.add(pod_name(snapshot.run.name, name, agent.attempt))
            if agent.attempt and not agent.pod_uid:
                names.add(pod_name(snapshot.run.name, name, agent.attempt - 1))
    return names


def _reporting_agents(snapshot: Snapshot, pods: tuple[PodFacts, ...]) -> set[str]:
    """The agents whose pods have a reporter, and those whose pod is gone: their report is all that may tell how they ended."""
    agents = snapshot.state.agents if snapshot.state else {}
    seen = {pod.uid for pod in pods}
    gone = {name for name, agent in agents.items() if agent.pod_uid and agent.outcome is None and agent.pod_uid not in seen}
    return gone | {pod.agent for pod in pods if pod.reporting}
