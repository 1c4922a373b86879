"""What the watches have told: the newest version of each Run, pod and policy, and which Run each belongs to.

Caches decide what is worth a closer look; they are never enough to act on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Protocol

from controller.api.base import JsonObject
from controller.api.names import LABEL_RUN_UID, RunKey
from controller.api.policy import ResolvedPolicy
from controller.cache.active_runs import ActiveRunLimiter
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
from controller.cache.object_store import Entry, ObjectStore, guarded
from controller.facts.pods import unreadable_pod
from controller.facts.runs import key_of, unreadable_facts
from controller.plan.snapshot import EscalationFacts, PodFacts, ReportFacts, RunFacts


class Owned(Protocol):
    """What belongs to a Run."""

    @property
    def key(self) -> RunKey:
        """The Run."""


Index = dict[RunKey, set[str]]
"""From a Run to the UIDs of what names it as its Run."""


class RunCache:
    """The shelves, the index from Runs to their pods, and whom to tell when something changes.

    `unreadable` is called with a resource, an object of it that cannot be judged, and the reason.
    """

    def __init__(
        self, notify: Callable[[RunKey], None], unreadable: Callable[[str, JsonObject, str], None] = lambda *_: None
    ) -> None:
        self._on_change = notify
        self._at_work: RunKey | None = None
        shelf = partial(partial, unreadable)
        self.runs = ObjectStore(make_run, unreadable_run, self._run_changed, shelf("runs"))
        self.pods = ObjectStore(make_pod, unreadable_pod_entry, self._pod_changed, shelf("pods"))
        self.escalations = ObjectStore(make_escalation, absent, self._escalation_changed, shelf("escalations"))
        self.reports = ObjectStore(make_report, absent, self._report_changed, shelf("agentreports"))
        self.policies = ObjectStore(make_policy, unreadable_policy, self._policy_changed, shelf("runpolicies"))
        self.slots = ActiveRunLimiter(lambda namespace, name: (namespace, name) in self._policy_uids)
        self._pods_of: Index = {}
        self._escalations_of: Index = {}
        self._reports_of: Index = {}
        self._policy_uids: dict[tuple[str, str], str] = {}

    def run(self, key: RunKey) -> CachedRun | None:
        """Return a cached Run; none for a UID that is another namespace's or another name's."""
        kept = self.runs.items.get(key.uid)
        return kept.value if kept and (kept.namespace, kept.name) == (key.namespace, key.name) else None

    def facts_of(self, obj: JsonObject) -> RunFacts:
        """Return the facts of a Run that was read live; its spec, which is read once a generation, may be known already."""
        known = self.run(key_of(obj))
        return guarded(obj, lambda: cached_facts(obj, known), lambda why: unreadable_facts(obj, why))

    def pods_of(self, run: RunKey) -> tuple[PodFacts, ...]:
        """Return the cached pods of the Run's namespace whose labels name the Run, by name."""
        facts = (self.pods.items[pod].value.facts for pod in self._pods_of.get(run, ()))
        return tuple(sorted(facts, key=lambda pod: pod.name))

    def escalations_of(self, run: RunKey) -> tuple[EscalationFacts, ...]:
        """Return the cached escalations of a Run, by name."""
        facts = (self.escalations.items[e].value.facts for e in self._escalations_of.get(run, ()))
        return tuple(sorted(facts, key=lambda escalation: escalation.name))

    def reports_of(self, run: RunKey) -> tuple[ReportFacts, ...]:
        """Return the cached reports of a Run's agents, by agent."""
        facts = (self.reports.items[r].value.facts for r in self._reports_of.get(run, ()))
        return tuple(sorted((report for report in facts if report), key=lambda report: report.agent))

    def known(self) -> set[RunKey]:
        """Return every Run that is cached or that something cached names: one that is gone may have pods to be let go of."""
        runs = {RunKey(kept.namespace, kept.name, uid) for uid, kept in self.runs.items.items()}
        shelves = (self.pods.items, self.escalations.items, self.reports.items)
        return runs | {key for shelf in shelves for kept in shelf.values() if (key := kept.value.key).name}

    def policy(self, namespace: str, name: str) -> ResolvedPolicy | str | None:
        """Return a RunPolicy, or what is wrong with it, or None where there is none."""
        kept = self.policies.items.get(self._policy_uids.get((namespace, name), ""))
        return kept.value if kept else None

    def upsert_run(self, obj: JsonObject) -> None:
        """Take a Run that its own pass has written, and planned on from: that alone is no reason to look again."""
        with self._at_work_on(key_of(obj)):
            self.runs.upsert(obj)

    def upsert_pod(self, obj: JsonObject, run: RunKey | None = None) -> PodFacts:
        """Take a pod that was read or written live, so that the caches know of it before the watch tells; return its facts.

        It is no news to the pass of that Run, which has it from here; to any other Run it is.
        """
        if LABEL_RUN_UID in obj["metadata"].get("labels", {}):
            with self._at_work_on(run):
                self.pods.upsert(obj)
        judged = self.pods.judge(obj)
        return judged.facts if judged else unreadable_pod(obj, "")

    def upsert_escalation(self, obj: JsonObject) -> None:
        """Take an escalation that was written, so that the caches know of it before the watch tells."""
        self.escalations.upsert(obj)

    def upsert_report(self, obj: JsonObject) -> None:
        """Take a report that was read or written live."""
        self.reports.upsert(obj)

    @contextmanager
    def _at_work_on(self, run: RunKey | None) -> Iterator[None]:
        """Tell nobody of what is taken meanwhile for the Run that a pass has in hand."""
        self._at_work = run
        try:
            yield
        finally:
            self._at_work = None

    def _notify(self, key: RunKey) -> None:
        if key != self._at_work:
            self._on_change(key)

    def notify_all(self, namespace: str | None = None) -> None:
        """Have every Run (of a namespace) looked at again."""
        for uid, kept in self.runs.items.items():
            if namespace is None or kept.namespace == namespace:
                self._notify(RunKey(kept.namespace, kept.name, uid))

    def _run_changed(self, uid: str, old: Entry[CachedRun] | None, new: Entry[CachedRun] | None) -> None:
        kept = new or old
        if kept:
            self._notify(RunKey(kept.namespace, kept.name, uid))
        turn = self.slots.see(new.value.candidate) if new else self.slots.forget(uid)
        if turn:
            self._notify_waiting([turn])

    def _notify_waiting(self, uids: Iterable[str]) -> None:
        """A slot may be free for these Runs: they are looked at again."""
        for uid in uids:
            kept = self.runs.items.get(uid)
            if kept:
                self._notify(RunKey(kept.namespace, kept.name, uid))

    def release_reservation(self, run: RunKey) -> None:
        """Take back what a Run was promised or told to wait for: another operator works on it now."""
        if kept := self.run(run):
            self.slots.release_reservation(run.uid, kept.candidate)

    def _pod_changed(self, uid: str, old: Entry[CachedPod] | None, new: Entry[CachedPod] | None) -> None:
        self._index(self._pods_of, uid, old and old.value, new and new.value)

    def _escalation_changed(self, uid: str, old: Entry[CachedEscalation] | None, new: Entry[CachedEscalation] | None) -> None:
        self._index(self._escalations_of, uid, old and old.value, new and new.value)

    def _report_changed(self, uid: str, old: Entry[CachedReport] | None, new: Entry[CachedReport] | None) -> None:
        self._index(self._reports_of, uid, old and old.value, new and new.value)

    def _index(self, index: Index, uid: str, old: Owned | None, new: Owned | None) -> None:
        """Keep an index from Runs to what is theirs, and have the Run looked at when something of it has changed."""
        if old and (new is None or new.key != old.key):
            index.get(old.key, set()).discard(uid)
        if new:
            index.setdefault(new.key, set()).add(uid)
        if old and not index.get(old.key):
            index.pop(old.key, None)
        owned = new or old
        # A label can be set by anybody who may make pods: one that names no Run is nobody's.
        if owned and owned.key.name and old != new:
            self._notify(owned.key)

    def _policy_changed(self, uid: str, old: Entry[ResolvedPolicy | str] | None, new: Entry[ResolvedPolicy | str] | None) -> None:
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
