"""What the watches have told: the newest version of each Run, pod and policy, and which Run each belongs to.

Caches decide what is worth a closer look; they are never enough to act on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import NamedTuple, Protocol

from pydantic import ValidationError

from controller.api.base import JsonObject, parse
from controller.api.checks import check_run, parse_run_spec
from controller.api.names import API_VERSION, LABEL_RUN, LABEL_RUN_UID, RunKey
from controller.api.policy import ResolvedPolicy, RunPolicySpec
from controller.api.violations import Refused, from_pydantic, violation
from controller.facts import escalation_facts, parse_time, pod_facts, unreadable_pod
from controller.packing import packed, unpacked
from controller.plan.snapshot import EscalationFacts, PodFacts, ReportFacts, RunFacts
from controller.reported import report_facts
from controller.shelf import Kept, Shelf, guarded
from controller.slots import Candidate, Slots


class CachedRun(NamedTuple):
    """A Run as the API server gave it, packed, and the facts that were read from it."""

    packed: bytes
    facts: RunFacts

    @property
    def obj(self) -> JsonObject:
        """The object, unpacked each time: as JSON it takes a fifth of the memory, and most Runs are not looked at for hours."""
        return unpacked(self.packed)

    @property
    def candidate(self) -> Candidate:
        """The Run as far as its slot is concerned."""
        return Candidate(self.obj, self.facts)


class CachedPod(NamedTuple):
    """A pod's facts and the Run that its labels name."""

    facts: PodFacts
    key: RunKey


class CachedEscalation(NamedTuple):
    """An escalation's facts and the Run that its spec names."""

    facts: EscalationFacts
    key: RunKey


class CachedReport(NamedTuple):
    """A report's facts, None while it says nothing, and the Run that its spec names."""

    facts: ReportFacts | None
    key: RunKey


class Owned(Protocol):
    """What belongs to a Run."""

    @property
    def key(self) -> RunKey:
        """The Run."""


Index = dict[RunKey, set[str]]
"""From a Run to the UIDs of what names it as its Run."""


class Inventory:
    """The shelves, the index from Runs to their pods, and whom to tell when something changes.

    `unreadable` is called with a resource, an object of it that cannot be judged, and the reason.
    """

    def __init__(
        self, notify: Callable[[RunKey], None], unreadable: Callable[[str, JsonObject, str], None] = lambda *_: None
    ) -> None:
        self._tell = notify
        self._at_work: RunKey | None = None
        shelf = partial(partial, unreadable)
        self.runs = Shelf(_make_run, _unreadable_run, self._run_changed, shelf("runs"))
        self.pods = Shelf(_make_pod, _unreadable_pod, self._pod_changed, shelf("pods"))
        self.escalations = Shelf(_make_escalation, _absent, self._escalation_changed, shelf("escalations"))
        self.reports = Shelf(_make_report, _absent, self._report_changed, shelf("agentreports"))
        self.policies = Shelf(_make_policy, _unreadable_policy, self._policy_changed, shelf("runpolicies"))
        self.slots = Slots(lambda namespace, name: (namespace, name) in self._policy_uids)
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
        return guarded(obj, lambda: _facts(obj, known), lambda why: _unreadable_facts(obj, why))

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

    def learn_run(self, obj: JsonObject) -> None:
        """Take a Run that its own pass has written, and planned on from: that alone is no reason to look again."""
        with self._at_work_on(key_of(obj)):
            self.runs.upsert(obj)

    def learn_pod(self, obj: JsonObject, run: RunKey | None = None) -> PodFacts:
        """Take a pod that was read or written live, so that the caches know of it before the watch tells; return its facts.

        It is no news to the pass of that Run, which has it from here; to any other Run it is.
        """
        if LABEL_RUN_UID in obj["metadata"].get("labels", {}):
            with self._at_work_on(run):
                self.pods.upsert(obj)
        judged = self.pods.judge(obj)
        return judged.facts if judged else unreadable_pod(obj, "")

    def learn_escalation(self, obj: JsonObject) -> None:
        """Take an escalation that was written, so that the caches know of it before the watch tells."""
        self.escalations.upsert(obj)

    def learn_report(self, obj: JsonObject) -> None:
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
            self._tell(key)

    def notify_all(self, namespace: str | None = None) -> None:
        """Have every Run (of a namespace) looked at again."""
        for uid, kept in self.runs.items.items():
            if namespace is None or kept.namespace == namespace:
                self._notify(RunKey(kept.namespace, kept.name, uid))

    def _run_changed(self, uid: str, old: Kept[CachedRun] | None, new: Kept[CachedRun] | None) -> None:
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

    def withdraw(self, run: RunKey) -> None:
        """Take back what a Run was promised or told to wait for: another operator works on it now."""
        if kept := self.run(run):
            self.slots.withdraw(run.uid, kept.candidate)

    def _pod_changed(self, uid: str, old: Kept[CachedPod] | None, new: Kept[CachedPod] | None) -> None:
        self._index(self._pods_of, uid, old and old.value, new and new.value)

    def _escalation_changed(self, uid: str, old: Kept[CachedEscalation] | None, new: Kept[CachedEscalation] | None) -> None:
        self._index(self._escalations_of, uid, old and old.value, new and new.value)

    def _report_changed(self, uid: str, old: Kept[CachedReport] | None, new: Kept[CachedReport] | None) -> None:
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

    def _policy_changed(self, uid: str, old: Kept[ResolvedPolicy | str] | None, new: Kept[ResolvedPolicy | str] | None) -> None:
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


def key_of(run: JsonObject) -> RunKey:
    """Return the key of a Run object."""
    meta = run["metadata"]
    return RunKey(meta["namespace"], meta["name"], meta["uid"])


def run_facts(obj: JsonObject) -> RunFacts:
    """Read a Run object; whatever is wrong with its spec becomes violations, never an exception."""
    meta = obj["metadata"]
    gone = "deletionTimestamp" in meta
    created = parse_time(meta.get("creationTimestamp"))
    common = (meta["namespace"], meta["name"], meta["uid"], meta.get("generation", 0))
    try:
        spec = parse_run_spec(obj)
    except Refused as refused:
        return RunFacts(*common, spec=None, violations=refused.violations, gone=gone, created_at=created)
    return RunFacts(*common, spec=spec, violations=check_run(spec), gone=gone, created_at=created)


def _make_run(obj: JsonObject, old: CachedRun | None) -> CachedRun:
    """Keep a Run; its spec is read once a generation. Its managedFields are half of its size and of no use here."""
    obj["metadata"].pop("managedFields", None)
    return CachedRun(packed(obj), _facts(obj, old))


def _facts(obj: JsonObject, known: CachedRun | None) -> RunFacts:
    meta = obj["metadata"]
    same = known and known.facts.generation == meta.get("generation") and "deletionTimestamp" not in meta
    return known.facts if known and same else run_facts(obj)


def _unreadable_run(obj: JsonObject, why: str) -> CachedRun:
    return CachedRun(packed(obj), _unreadable_facts(obj, why))


def _unreadable_facts(obj: JsonObject, why: str) -> RunFacts:
    """What is known of a Run that cannot be judged: who it is, and whether it is going."""
    meta = obj["metadata"]
    wrong = (violation("metadata.uid", meta["uid"], f"the operator cannot read this Run: {why}"),)
    gone = "deletionTimestamp" in meta
    return RunFacts(*key_of(obj), meta.get("generation", 0), spec=None, violations=wrong, gone=gone, unreadable=why)


def _unreadable_pod(obj: JsonObject, why: str) -> CachedPod:
    return CachedPod(unreadable_pod(obj, why), _pod_key(obj))


def _unreadable_policy(obj: JsonObject, why: str) -> str:
    return f"RunPolicy {obj['metadata']['name']} cannot be read: {why}"


def _absent(_: JsonObject, __: str) -> None:
    """Nothing is kept of a report or an escalation that cannot be read."""


def _make_pod(obj: JsonObject, old: CachedPod | None) -> CachedPod:
    return CachedPod(_remembering(pod_facts(obj), old.facts if old else None), _pod_key(obj))


def _pod_key(obj: JsonObject) -> RunKey:
    labels = obj["metadata"].get("labels", {})
    return RunKey(obj["metadata"]["namespace"], labels.get(LABEL_RUN, ""), labels.get(LABEL_RUN_UID, ""))


def _remembering(pod: PodFacts, before: PodFacts | None) -> PodFacts:
    """The pod with the time of its deletion as it was first seen: a second, final deletion overwrites it."""
    return replace(pod, deleted_at=before.deleted_at) if before and before.deleted_at else pod


def _make_escalation(obj: JsonObject, _: CachedEscalation | None) -> CachedEscalation:
    return CachedEscalation(escalation_facts(obj), _claimed(obj))


def _make_report(obj: JsonObject, _: CachedReport | None) -> CachedReport:
    return CachedReport(report_facts(obj), report_owner(obj))


def report_owner(obj: JsonObject) -> RunKey:
    """Return the Run that a report names, where its only owner reference names the same; a key without a name where not.

    The garbage collector deletes what an absent owner has, so such a reference does not last in another namespace.
    """
    claimed = _claimed(obj)
    only = {"apiVersion": API_VERSION, "kind": "Run", "name": claimed.name, "uid": claimed.uid}
    owners = [{field: owner.get(field) for field in only} for owner in obj["metadata"].get("ownerReferences", ())]
    return claimed if owners == [only] else claimed._replace(name="", uid="")


def _claimed(obj: JsonObject) -> RunKey:
    """The Run that an object says it belongs to, in its own namespace. Raises TypeError where it says no such thing."""
    name, uid = obj["spec"]["runName"], obj["spec"]["runUID"]
    if not (isinstance(name, str) and isinstance(uid, str)):
        raise TypeError("spec.runName and spec.runUID must be texts")
    return RunKey(obj["metadata"]["namespace"], name, uid)


def _make_policy(obj: JsonObject, _: ResolvedPolicy | str | None) -> ResolvedPolicy | str:
    name = obj["metadata"]["name"]
    try:
        return ResolvedPolicy.of(name, parse(RunPolicySpec, obj.get("spec")))
    except ValidationError as error:
        return f"RunPolicy {name}: {'; '.join(map(str, from_pydantic(error, 'spec')))}"
