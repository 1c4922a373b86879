"""The newest version of each watched object, indexed by Run. The watches write it, and reconciles add what they read or wrote live.

A cache decides what to look at. It is never enough to act on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from typing import NamedTuple

from controller.api.base import JsonObject
from controller.api.names import LABEL_RUN_UID, RunKey
from controller.api.resolved_policy import ResolvedPolicy
from controller.api.run import RunSpec
from controller.cache.active_runs import ActiveRunLimiter, QueuedRun
from controller.cache.entries import (
    CachedEscalation,
    CachedPod,
    CachedReport,
    CachedRun,
    absent,
    cached_facts,
    make_escalation,
    make_pod,
    make_policy,
    make_report,
    make_run,
    unreadable_pod_entry,
    unreadable_policy,
    unreadable_run,
)
from controller.cache.halts import Halts
from controller.cache.object_store import Entry, ObjectStore, guarded
from controller.cache.provider_agents import ProviderAgents
from controller.cache.routine import is_routine
from controller.cache.run_index import Owned, RunIndex
from controller.facts.pods import unreadable_pod
from controller.facts.runs import key_of, unreadable_facts
from controller.plan.snapshot import EscalationFacts, PodFacts, ReportFacts, RunFacts


class RunView(NamedTuple):
    """The cached objects of one Run; `run` is None for a Run outside the cache."""

    run: CachedRun | None
    pods: tuple[PodFacts, ...]
    reports: tuple[ReportFacts, ...]
    escalations: tuple[EscalationFacts, ...]

    def facts_of(self, obj: JsonObject) -> RunFacts:
        """Return the facts of this Run as it was read live; its spec is parsed only where its generation is not the cached one."""
        return guarded(obj, lambda: cached_facts(obj, self.run), lambda why: unreadable_facts(obj, why))


class RunCache:
    """One object store for each resource, and indexes from Runs to what is theirs.

    `notify` is called with the key of each Run that has to be reconciled after a change, `defer` with one whose pod made a routine
    change, which only its status shows (by default `notify`). `unreadable` is called with a resource, an object of it that cannot
    be judged, and the reason.
    """

    def __init__(
        self,
        notify: Callable[[RunKey], None],
        unreadable: Callable[[str, JsonObject, str], None] = lambda *_: None,
        defer: Callable[[RunKey], None] | None = None,
    ) -> None:
        self._notify, self._defer = notify, defer or notify
        shelf = partial(partial, unreadable)
        self.runs = ObjectStore(make_run, unreadable_run, self._run_changed, shelf("runs"))
        self.pods = ObjectStore(make_pod, unreadable_pod_entry, self._pod_changed, shelf("pods"))
        self.escalations = ObjectStore(make_escalation, absent, self._escalation_changed, shelf("escalations"))
        self.reports = ObjectStore(make_report, absent, self._report_changed, shelf("agentreports"))
        self.policies = ObjectStore(make_policy, unreadable_policy, self._policy_changed, shelf("runpolicies"))
        self.halts = Halts(self._halt_changed, shelf("halts"))
        self.slots = ActiveRunLimiter(
            lambda namespace, name: (namespace, name) in self._policy_uids, lambda namespace: self.halts.of(namespace) is not None
        )
        self._agents = ProviderAgents(self, notify, shelf("providers"))
        self.providers = self._agents.providers
        self._pods, self._escalations, self._reports = RunIndex(), RunIndex(), RunIndex()
        self._policy_uids: dict[tuple[str, str], str] = {}

    def run(self, key: RunKey) -> CachedRun | None:
        """Return a cached Run, None if its UID belongs to another namespace or name."""
        kept = self.runs.items.get(key.uid)
        return kept.value if kept and (kept.namespace, kept.name) == (key.namespace, key.name) else None

    def pods_of(self, run: RunKey) -> tuple[PodFacts, ...]:
        """Return the cached pods of the Run's namespace whose labels name the Run, by name."""
        known = self.run(run)
        spec = known.facts.spec if known else None
        facts = (self.pods.items[pod].value.of(spec) for pod in self._pods.of(run))
        return tuple(sorted(facts, key=lambda pod: pod.name))

    def escalations_of(self, run: RunKey) -> tuple[EscalationFacts, ...]:
        """Return the cached escalations of a Run, by name."""
        facts = (self.escalations.items[e].value.facts for e in self._escalations.of(run))
        return tuple(sorted(facts, key=lambda escalation: escalation.name))

    def waiting(self, now: datetime) -> list[tuple[str, float]]:
        """Return each escalation that waits for a human, as its type and its age in seconds. Any thread may call this."""
        kept = [entry.value for entry in tuple(self.escalations.items.values())]
        return [
            (e.facts.type.value, max(0.0, (now - e.created_at).total_seconds())) for e in kept if e.created_at and e.facts.waits
        ]

    def reports_of(self, run: RunKey) -> tuple[ReportFacts, ...]:
        """Return the cached reports of a Run's agents, by agent."""
        facts = (self.reports.items[r].value.facts for r in self._reports.of(run))
        return tuple(sorted((report for report in facts if report), key=lambda report: report.agent))

    def known(self) -> set[RunKey]:
        """Return every Run that is cached or that something cached names: a Run that is gone may have pods to release."""
        runs = {RunKey(kept.namespace, kept.name, uid) for uid, kept in self.runs.items.items()}
        shelves = (self.pods.items, self.escalations.items, self.reports.items)
        return runs | {key for shelf in shelves for kept in shelf.values() if (key := kept.value.key).name}

    def policy(self, namespace: str, name: str) -> ResolvedPolicy | str | None:
        """Return a RunPolicy, a text if it cannot be read, or None if it does not exist."""
        kept = self.policies.items.get(self._policy_uids.get((namespace, name), ""))
        return kept.value if kept else None

    def view(self, run: RunKey) -> RunView:
        """Return everything that is cached of a Run, at once."""
        return RunView(self.run(run), self.pods_of(run), self.reports_of(run), self.escalations_of(run))

    def apply_run(self, obj: JsonObject) -> None:
        """Keep a Run that its own reconcile wrote. The reconcile planned from it already, so this alone does not queue it."""
        self.runs.upsert(obj, key_of(obj))

    def apply_pod(self, obj: JsonObject, by: RunKey | None = None, spec: RunSpec | None = None) -> PodFacts:
        """Keep a pod that was read or written live, before the watch reports it; return its facts.

        The Run whose reconcile did this (`by`, with its `spec`) is not queued for it; another Run is.
        """
        ours = LABEL_RUN_UID in obj["metadata"].get("labels", {})
        judged = self.pods.apply(obj, by) if ours else self.pods.judge(obj)
        return judged.of(spec) if judged else unreadable_pod(obj, "")

    def apply_escalation(self, obj: JsonObject) -> EscalationFacts | None:
        """Keep an escalation that was read or written live; return its facts, None if it cannot be judged."""
        judged = self.escalations.apply(obj)
        return judged.facts if judged else None

    def apply_report(self, obj: JsonObject, run: RunKey) -> ReportFacts | None:
        """Keep a report that was read or written live; return its facts, None if it cannot be judged or is not this Run's."""
        judged = self.reports.apply(obj)
        return judged.facts if judged and judged.key == run else None

    def _queue(self, key: RunKey, by: RunKey | None = None, *, routine: bool = False) -> None:
        if key != by:
            (self._defer if routine else self._notify)(key)

    def notify_all(self, namespace: str | None = None) -> None:
        """Have every Run (of a namespace) looked at again."""
        for uid, kept in self.runs.items.items():
            if namespace is None or kept.namespace == namespace:
                self._queue(RunKey(kept.namespace, kept.name, uid))

    def _run_changed(self, uid: str, old: Entry[CachedRun] | None, new: Entry[CachedRun] | None, by: RunKey | None) -> None:
        kept = new or old
        if kept:
            self._queue(RunKey(kept.namespace, kept.name, uid), by)
        candidate = new.value.candidate if new else None
        turn = self._see_in_queue(candidate) if candidate else self.slots.forget(uid)
        if candidate:
            self._agents.see_run(candidate, new=old is None)
        else:
            self.providers.forget(uid)
        if turn:
            self._notify_waiting([turn], by)

    def _see_in_queue(self, run: QueuedRun) -> str | None:
        """Update a Run's place. One with a started pod has its slot, though its status may not show that for some seconds."""
        turn = self.slots.see(run)
        pods = (self.pods.items[uid].value.facts for uid in self._pods.of(run.facts.key))
        if any(_holds_slot(pod, run.uid) for pod in pods):
            self.slots.reserve(run)
        return turn

    def left(self) -> set[str]:
        """Return the UIDs of the Runs of which anything is left: the Run itself, or a pod."""
        return {*self.runs.items, *(key.uid for key in self._pods.runs())}

    def left_in(self, namespace: str) -> list[RunKey]:
        """Return the Runs of a namespace of which anything is left: the Run itself, or a pod."""
        runs = [RunKey(kept.namespace, kept.name, uid) for uid, kept in self.runs.items.items() if kept.namespace == namespace]
        return runs + [key for key in self._pods.runs() if key.namespace == namespace and self.run(key) is None]

    def _notify_waiting(self, uids: Iterable[str], by: RunKey | None = None) -> None:
        """Queue Runs that may have become the next of their policy."""
        for uid in uids:
            kept = self.runs.items.get(uid)
            if kept:
                self._queue(RunKey(kept.namespace, kept.name, uid), by)

    def release_reservation(self, run: RunKey) -> None:
        """Cancel a Run's reservation or its wait: another replica reconciles it now."""
        self.providers.release(run)
        if kept := self.run(run):
            self.slots.release_reservation(run.uid, kept.candidate)

    def _pod_changed(self, uid: str, old: Entry[CachedPod] | None, new: Entry[CachedPod] | None, by: RunKey | None) -> None:
        before, after = old and old.value, new and new.value
        self._index(self._pods, uid, before, after, by, routine=self._is_routine(before, after))
        started = after and _holds_slot(after.facts, after.key.uid) and (before is None or before.facts.gated)
        if after and started and (known := self.run(after.key)):
            self.slots.reserve(known.candidate)
        if owned := after or before:
            self._agents.see(owned.key)

    def _is_routine(self, old: CachedPod | None, new: CachedPod | None) -> bool:
        """Whether a pod of a known Run made a routine change, and no escalation is open that this could close."""
        run = self.run(new.key) if old and new and old.key == new.key else None
        if not (old and new and run) or any(escalation.open for escalation in self.escalations_of(new.key)):
            return False
        before, after = old.of(run.facts.spec), new.of(run.facts.spec)
        return is_routine(before, after, next((r for r in self.reports_of(new.key) if r.pod_uid == after.uid), None))

    def _escalation_changed(
        self, uid: str, old: Entry[CachedEscalation] | None, new: Entry[CachedEscalation] | None, by: RunKey | None
    ) -> None:
        self._index(self._escalations, uid, old and old.value, new and new.value, by)
        if (kept := new or old) and not kept.value.key.name:
            self.providers.budgets.wake(kept.namespace)

    def _report_changed(
        self, uid: str, old: Entry[CachedReport] | None, new: Entry[CachedReport] | None, by: RunKey | None
    ) -> None:
        self._index(self._reports, uid, old and old.value, new and new.value, by)
        if new:
            self._agents.see(new.value.key)

    def _index(
        self, index: RunIndex, uid: str, old: Owned | None, new: Owned | None, by: RunKey | None, *, routine: bool = False
    ) -> None:
        """Keep an index up to date, and have the Run looked at when something of it has changed."""
        index.update(uid, old, new)
        owned = new or old
        # A label can be set by anybody who may make pods: one that names no Run is nobody's.
        if owned and owned.key.name and old != new:
            self._queue(owned.key, by, routine=routine)

    def _halt_changed(self, namespace: str | None) -> None:
        """Have every affected Run looked at again, and those that waited behind one that is halted now."""
        self.notify_all(namespace)
        self._notify_waiting(self.slots.waiting())

    def _policy_changed(
        self, uid: str, old: Entry[ResolvedPolicy | str] | None, new: Entry[ResolvedPolicy | str] | None, _: RunKey | None
    ) -> None:
        kept = new or old
        if kept is None:
            return
        where = (kept.namespace, kept.name)
        if new:
            self._policy_uids[where] = uid
        elif self._policy_uids.get(where) == uid:
            del self._policy_uids[where]
        if old is None or new is None or old.value != new.value:
            self.notify_all(kept.namespace)
            self._notify_waiting(self.slots.waiting())


def _holds_slot(pod: PodFacts, run_uid: str) -> bool:
    """Return whether a pod of the Run with this UID was started and has not terminated."""
    return pod.run_uid == run_uid and not (pod.gated or pod.terminated)
