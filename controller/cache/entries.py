"""The cache's entries: what is kept of each watched object, and of one that cannot be judged."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from pydantic import ValidationError

from controller.api.base import JsonObject, parse
from controller.api.escalation import EscalationType
from controller.api.names import API_VERSION, LABEL_RUN, LABEL_RUN_UID, RunKey
from controller.api.pod_template import container_name
from controller.api.policy import RunPolicySpec
from controller.api.resolved_policy import ResolvedPolicy
from controller.api.run import RunSpec
from controller.api.timestamps import parse_time
from controller.api.violations import from_pydantic
from controller.cache.active_runs import QueuedRun
from controller.cache.compression import decode, encode
from controller.facts.containers import ContainerFacts
from controller.facts.pods import all_facts, escalation_facts, judged_by, unreadable_pod
from controller.facts.reports import report_facts
from controller.facts.runs import refused_since, run_facts, unreadable_facts
from controller.plan.snapshot import EscalationFacts, PodFacts, ReportFacts, RunFacts


class CachedRun(NamedTuple):
    """A Run as the API server gave it, packed, and the facts that were read from it."""

    data: bytes
    facts: RunFacts

    @property
    def obj(self) -> JsonObject:
        """The object, unpacked each time: as JSON it takes a fifth of the memory, and most Runs are not looked at for hours."""
        return decode(self.data)

    @property
    def candidate(self) -> QueuedRun:
        """The Run as far as its slot is concerned."""
        return QueuedRun(self.obj, self.facts)


class CachedPod(NamedTuple):
    """A pod's facts, the Run that its labels name, and the facts of its containers that `facts` does not judge by.

    Most pods have one container and thus no others. A pod may be cached before its Run, whose spec names the judged container.
    """

    facts: PodFacts
    key: RunKey
    others: tuple[ContainerFacts, ...] = ()

    def of(self, spec: RunSpec | None) -> PodFacts:
        """Return the facts by the container that the Run's spec names; by the pod's own spec for a Run whose spec is unknown."""
        return judged_by(self.facts, self.others, container_name(spec, self.facts.agent))


class CachedEscalation(NamedTuple):
    """An escalation's facts, the Run that its spec names, and the time of its creation."""

    facts: EscalationFacts
    key: RunKey
    created_at: datetime | None


class CachedReport(NamedTuple):
    """A report's facts, None while it says nothing, and the Run that its spec names."""

    facts: ReportFacts | None
    key: RunKey


def make_run(obj: JsonObject, old: CachedRun | None) -> CachedRun:
    """Keep a Run; its spec is read once a generation. Its managedFields are half of its size and of no use here."""
    obj["metadata"].pop("managedFields", None)
    return CachedRun(encode(obj), cached_facts(obj, old))


def cached_facts(obj: JsonObject, known: CachedRun | None) -> RunFacts:
    """Return a Run's facts; those of its spec are the cached version's where the generation is the same."""
    meta = obj["metadata"]
    same = known and known.facts.generation == meta.get("generation") and "deletionTimestamp" not in meta
    if not (known and same):
        return run_facts(obj)
    refused = refused_since(obj)
    return known.facts if known.facts.refused_since == refused else replace(known.facts, refused_since=refused)


def unreadable_run(obj: JsonObject, why: str) -> CachedRun:
    """Keep a Run that cannot be judged."""
    return CachedRun(encode(obj), unreadable_facts(obj, why))


def unreadable_pod_entry(obj: JsonObject, why: str) -> CachedPod:
    """Keep a pod that cannot be judged."""
    return CachedPod(unreadable_pod(obj, why), _pod_key(obj))


def unreadable_policy(obj: JsonObject, why: str) -> str:
    """Keep why a policy cannot be judged."""
    return f"RunPolicy {obj['metadata']['name']} cannot be read: {why}"


def absent(_: JsonObject, __: str) -> None:
    """Nothing is kept of a report or an escalation that cannot be read."""


def make_pod(obj: JsonObject, old: CachedPod | None) -> CachedPod:
    """Keep a pod."""
    facts, others = all_facts(obj)
    return CachedPod(_remembering(facts, old.facts if old else None), _pod_key(obj), others)


def _pod_key(obj: JsonObject) -> RunKey:
    labels = obj["metadata"].get("labels", {})
    return RunKey(obj["metadata"]["namespace"], labels.get(LABEL_RUN, ""), labels.get(LABEL_RUN_UID, ""))


def _remembering(pod: PodFacts, before: PodFacts | None) -> PodFacts:
    """The pod with the time of its deletion as it was first seen: a second, final deletion overwrites it."""
    return replace(pod, deleted_at=before.deleted_at) if before and before.deleted_at else pod


def make_escalation(obj: JsonObject, _: CachedEscalation | None) -> CachedEscalation:
    """Keep an escalation. One about a provider's budget is no Run's, whatever it names."""
    facts, claimed = escalation_facts(obj), _claimed(obj)
    owner = claimed._replace(name="", uid="") if facts.type is EscalationType.BUDGET else claimed
    return CachedEscalation(facts, owner, parse_time(obj["metadata"].get("creationTimestamp")))


def make_report(obj: JsonObject, _: CachedReport | None) -> CachedReport:
    """Keep a report."""
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


def make_policy(obj: JsonObject, _: ResolvedPolicy | str | None) -> ResolvedPolicy | str:
    """Keep a policy, or why it is refused."""
    name = obj["metadata"]["name"]
    try:
        return ResolvedPolicy.of(name, parse(RunPolicySpec, obj.get("spec")))
    except ValidationError as error:
        return f"RunPolicy {name}: {'; '.join(map(str, from_pydantic(error, 'spec')))}"
