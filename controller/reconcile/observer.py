"""Builds the snapshot of a Run: from the caches to find out whether anything is due, and live before anything is done."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import NamedTuple

from controller.advisor.consultations import Consultations
from controller.api.base import JsonObject
from controller.api.llm_policy import LLMMode
from controller.api.names import RunKey
from controller.api.policy_defaults import OWN_DEFAULTS, PolicyDefaults
from controller.api.resolved_policy import ResolvedPolicy
from controller.cache.active_runs import QueuedRun
from controller.cache.policy_file_watcher import PolicyFileWatcher
from controller.cache.policy_resolver import admit
from controller.cache.run_cache import RunCache
from controller.facts.reports import is_believed
from controller.kube.client import Client
from controller.kube.resources import RUNS
from controller.plan.reads import reporting_agents
from controller.plan.snapshot import EscalationFacts, PodFacts, ReportFacts, RunFacts, Snapshot
from controller.reconcile.live_reads import LiveReads
from controller.reconcile.node_lookup import NodeLookup
from controller.reconcile.start_obstacles import StartObstacles
from controller.reconcile.unsaved_starts import UnsavedStarts
from controller.store import Loaded, Store

RECENT_POLICIES = 128
"""Policies that are kept with the operator's defaults filled in; many Runs share one."""


@dataclass(frozen=True, slots=True)
class Observation:
    """A Run as the API server sent it (empty if it is gone), its state from the store, and the snapshot."""

    run: JsonObject
    snapshot: Snapshot
    loaded: Loaded = field(default_factory=Loaded)


class Related(NamedTuple):
    """The observed pods, reports and escalations of a Run."""

    pods: tuple[PodFacts, ...] = ()
    reports: tuple[ReportFacts, ...] = ()
    escalations: tuple[EscalationFacts, ...] = ()


class Observer:
    """Gathers every fact that a plan may need."""

    def __init__(
        self,
        client: Client,
        cache: RunCache,
        store: Store,
        policy: PolicyFileWatcher,
        consultations: Consultations | None = None,
        defaults: PolicyDefaults = OWN_DEFAULTS,
        *,
        admission: bool = False,
    ) -> None:
        self._admission = admission
        self._complete = lru_cache(RECENT_POLICIES)(defaults.complete)
        self._client, self._cache, self._store, self._policy = client, cache, store, policy
        self._consultations = consultations
        self._reads, self._nodes = LiveReads(client, cache), NodeLookup(client)
        self._obstacles = StartObstacles(client, self._nodes)
        self.starts = UnsavedStarts(client.server_now)

    async def cached(self, key: RunKey) -> Observation:
        """Observe from the caches; cheap, and never enough to act on."""
        view = self._cache.view(key)
        if view.run is None:
            return self._gone(key, view.pods)
        run = view.run.obj
        loaded = await self._store.load(run, live=False)
        return await self._observe(run, view.run.facts, loaded, Related(view.pods, view.reports, view.escalations))

    async def live(self, key: RunKey, run: JsonObject | None = None) -> Observation:
        """Observe from the API server's storage: the Run, each of its pods, and what else a start needs.

        `run` spares the read of the Run: it is the cached one, for a reconcile that will save over this version before any effect.
        """
        view = self._cache.view(key)
        run = run or await self._reads.find(RUNS, key.namespace, key.name)
        if run is None or run["metadata"]["uid"] != key.uid:
            return self._gone(key, await self._reads.pods(key, {pod.name for pod in view.pods}))
        facts = view.facts_of(run)
        loaded = await self._store.load(run, live=True)
        saved = Snapshot(run=facts, state=loaded.state, halt=self._cache.halts.of(key.namespace))
        pods = await self._reads.changeable_pods(key, replace(saved, pods=view.pods))
        known = self.starts.adopt(replace(saved, pods=pods))
        reports = await self._reads.reports(key, {report.agent for report in view.reports} | reporting_agents(known, pods))
        open_names = {escalation.name for escalation in view.escalations if escalation.open}
        escalations = await self._reads.escalations(key, open_names, replace(known, reports=reports))
        seen = await self._observe(run, facts, loaded, Related(pods, reports, escalations))
        claims, terminating = await self._reads.claims(seen.snapshot), await self._reads.terminating(key.namespace, pods)
        return replace(seen, snapshot=replace(seen.snapshot, claims=claims, namespace_terminating=terminating))

    async def unchanged(self, seen: JsonObject, loaded: Loaded) -> bool:
        """Return whether the Run and its saved state are still as they were seen, by live reads."""
        meta = seen["metadata"]
        run = await self._reads.find(RUNS, meta["namespace"], meta["name"])
        version = run and (run["metadata"]["uid"], run["metadata"]["resourceVersion"])
        same = version == (meta["uid"], meta["resourceVersion"])
        return same and (not self._store.detached or await self._store.load(seen, live=True) == loaded)

    async def _observe(
        self,
        run: JsonObject,
        facts: RunFacts,
        loaded: Loaded,
        related: Related,
    ) -> Observation:
        now = self._client.server_now()
        halt = self._cache.halts.of(facts.namespace) or self._cache.providers.budgets.halt_of(facts, now)
        policy, queued = admit(self._cache, self._policy.current, QueuedRun(run, facts))
        snapshot = Snapshot(
            run=facts,
            policy=self._complete(policy) if isinstance(policy, ResolvedPolicy) else None,
            policy_exists=policy is not None,
            policy_refusal=policy if isinstance(policy, str) else "" if policy else _policy_missing_message(facts),
            state=loaded.state,
            state_refusal=loaded.refusal,
            pods=await self._with_nodes(related.pods),
            escalations=related.escalations,
            reports=tuple(report for report in related.reports if is_believed(report, self._client.server_now())),
            consultations=self._consultations.of(facts.key, loaded.state) if self._consultations else (),
            advisor=self._consultations is not None,
            mode=self._mode(policy),
            queued=queued,
            admission=self._admission,
            halt=halt,
            turn_at=self._cache.halts.turn_of(facts, loaded.state, now, halted=halt is not None),
        )
        known = await self._obstacles.explained(self.starts.adopt(snapshot))
        return Observation(run, self._cache.providers.admitted(known, self._client.server_now()), loaded)

    def _gone(self, key: RunKey, pods: tuple[PodFacts, ...]) -> Observation:
        self._cache.halts.forget(key.uid)
        facts = RunFacts(key.namespace, key.name, key.uid, generation=0, spec=None, gone=True)
        return Observation({}, Snapshot(run=facts, pods=pods))

    def _mode(self, policy: ResolvedPolicy | str | None) -> LLMMode:
        """Return the effective mode: the policy's, else that of the operator's policy file, else Assist; Off without an advisor."""
        if self._consultations is None or not isinstance(policy, ResolvedPolicy):
            return LLMMode.OFF
        return policy.spec.llm.mode or self._policy.current.spec.llm.mode or LLMMode.ASSIST

    async def _with_nodes(self, pods: tuple[PodFacts, ...]) -> tuple[PodFacts, ...]:
        """Look up the nodes of pods that may be unreachable: bound, not terminated, and either not ready or being deleted."""
        doubtful = [pod for pod in pods if pod.bound and not pod.terminated and (pod.deleting or _may_be_unreachable(pod))]
        lost = {pod.uid: await self._nodes.lost_since(pod) for pod in doubtful}
        return tuple(replace(pod, node_lost_since=lost.get(pod.uid)) for pod in pods) if lost else pods


def _policy_missing_message(run: RunFacts) -> str:
    name = run.spec.policy_ref.name if run.spec and run.spec.policy_ref else ""
    return f"RunPolicy {name} (spec.policyRef.name) does not exist in namespace {run.namespace}: create it"


def _may_be_unreachable(pod: PodFacts) -> bool:
    """Return whether a pod that runs or must end is not ready: its probe fails, it starts, or its node is lost."""
    return not pod.ready and (pod.phase == "Running" or pod.ending_since is not None)
