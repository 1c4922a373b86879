"""Snapshots as plain JSON: the input of `runwatchman plan`, the stories of golden files, and the situations in the ledger.

A document's facts have the names of the fields in `snapshot`, in camelCase; spec, policy and state are as the API has them.
"""

from __future__ import annotations

import json
from dataclasses import asdict, fields, replace
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel, to_snake

from controller.api.advice import AdviceState
from controller.api.base import JsonObject, dump, parse
from controller.api.checks import check_run, parse_run_spec
from controller.api.llm_policy import LLMMode
from controller.api.names import FINALIZER_OUTCOME, attempt_pod, named_task
from controller.api.operator_state import OperatorState
from controller.api.policy import RunPolicySpec
from controller.api.resolved_policy import ResolvedPolicy
from controller.api.run import RunSpec
from controller.api.violations import Refused, Violation, from_pydantic, violation
from controller.plan.snapshot import (
    ClaimFacts,
    ConsultationFacts,
    EscalationFacts,
    HaltFacts,
    PodEvents,
    PodFacts,
    ProviderFacts,
    Refusal,
    ReportFacts,
    RunFacts,
    Snapshot,
)

F = TypeVar(
    "F",
    PodFacts,
    ClaimFacts,
    EscalationFacts,
    ReportFacts,
    Refusal,
    PodEvents,
    ConsultationFacts,
    HaltFacts,
    ProviderFacts,
    Violation,
)

KEYS = frozenset(
    {
        "now",
        "run",
        "policy",
        "state",
        "stateRefusal",
        "pods",
        "claims",
        "refusals",
        "podEvents",
        "escalations",
        "reports",
        "consultations",
        "advisor",
        "mode",
        "namespaceTerminating",
        "queued",
        "admission",
        "halt",
        "turnAt",
        "providers",
    }
)
SHARED = 256
"""Parsed specs and policies that are kept: many snapshots have the same ones, and parsing them takes most of a snapshot's time."""
RUN_KEYS = frozenset(
    {"namespace", "name", "uid", "generation", "createdAt", "refusedSince", "gone", "spec", "violations", "unreadable"}
)
POLICY_KEYS = frozenset({"name", "spec", "digest", "missing", "refused"})


def read_snapshot(document: JsonObject) -> tuple[Snapshot, datetime]:
    """Return the snapshot that a document describes, and its now.

    Omitted fields have their defaults: a pod's owner is the Run, its agent and attempt are those of its name, and it carries our
    finalizer. Raises Refused, which names each wrong field with its path.
    """
    _only(document, KEYS, "")
    run = _run(document.get("run"))
    policy, missing, refusal = _policy(document.get("policy", {}))
    snapshot = Snapshot(
        run=run,
        policy=policy,
        policy_exists=not missing,
        policy_refusal=refusal,
        state=_state(document.get("state"), run.uid),
        state_refusal=document.get("stateRefusal", ""),
        pods=_facts(PodFacts, [_pod(pod, run.uid) for pod in _list(document, "pods")], "pods"),
        claims=_facts(ClaimFacts, [{"runUid": run.uid, **claim} for claim in _list(document, "claims")], "claims"),
        refusals=_facts(Refusal, _list(document, "refusals"), "refusals"),
        pod_events=_facts(PodEvents, _list(document, "podEvents"), "podEvents"),
        escalations=_facts(EscalationFacts, [_escalation(e, run.uid) for e in _list(document, "escalations")], "escalations"),
        reports=_facts(ReportFacts, [{"runUid": run.uid, **report} for report in _list(document, "reports")], "reports"),
        consultations=_facts(ConsultationFacts, [_consultation(c) for c in _list(document, "consultations")], "consultations"),
        advisor=document.get("advisor", False),
        mode=_mode(document.get("mode", LLMMode.OFF.value)),
        namespace_terminating=document.get("namespaceTerminating", False),
        queued=document.get("queued", False),
        admission=document.get("admission", False),
        halt=next(iter(_facts(HaltFacts, [halt] if (halt := document.get("halt")) else [], "halt")), None),
        turn_at=_time(document["turnAt"], "turnAt") if document.get("turnAt") else None,
        providers=_facts(ProviderFacts, _list(document, "providers"), "providers"),
    )
    return snapshot, _time(document.get("now"), "now")


def write_snapshot(snapshot: Snapshot, now: datetime) -> JsonObject:
    """Return the document from which `read_snapshot` creates an equal snapshot."""
    run = snapshot.run
    about: JsonObject = {
        "namespace": run.namespace,
        "name": run.name,
        "uid": run.uid,
        "generation": run.generation,
        "gone": run.gone,
    }
    times = {"createdAt": run.created_at, "refusedSince": run.refused_since}
    known: JsonObject = {key: time.isoformat() for key, time in times.items() if time}
    known |= {"spec": dump(run.spec)} if run.spec else {}
    known |= {"violations": [asdict(each) for each in run.violations]}
    known |= {"unreadable": run.unreadable} if run.unreadable else {}
    document: JsonObject = {
        "now": now.isoformat(),
        "run": about | known,
        "policy": _policy_document(snapshot),
        "stateRefusal": snapshot.state_refusal,
        "advisor": snapshot.advisor,
        "mode": snapshot.mode.value,
        "namespaceTerminating": snapshot.namespace_terminating,
        "queued": snapshot.queued,
    }
    document |= {"admission": True} if snapshot.admission else {}
    if snapshot.state:
        document["state"] = dump(snapshot.state)
    if snapshot.halt:
        document["halt"] = _plain(snapshot.halt)
    if snapshot.turn_at:
        document["turnAt"] = snapshot.turn_at.isoformat()
    if snapshot.providers:
        document["providers"] = [_plain(facts) for facts in snapshot.providers]
    for key in ("pods", "claims", "refusals", "podEvents", "escalations", "reports", "consultations"):
        document[key] = [_plain(fact) for fact in getattr(snapshot, to_snake(key))]
    return document


def _run(raw: Any) -> RunFacts:
    if not isinstance(raw, dict) or "name" not in raw:
        raise Refused((violation("run.name", None, "is missing: say which Run the snapshot is of"),))
    _only(raw, RUN_KEYS, "run.")
    spec, violations = _spec(raw)
    created = _time(raw["createdAt"], "run.createdAt") if raw.get("createdAt") else None
    return RunFacts(
        namespace=raw.get("namespace", "default"),
        name=str(raw["name"]),
        uid=str(raw.get("uid", raw["name"])),
        generation=raw.get("generation", 1),
        spec=spec,
        violations=violations,
        gone=raw.get("gone", False),
        created_at=created,
        unreadable=str(raw.get("unreadable", "")),
        refused_since=_time(raw["refusedSince"], "run.refusedSince") if raw.get("refusedSince") else None,
    )


def _spec(raw: JsonObject) -> tuple[RunSpec | None, tuple[Violation, ...]]:
    """Return the Run's spec and its violations: the given ones, or those that are found in the spec."""
    given = _facts(Violation, _list(raw, "violations"), "run.violations") if "violations" in raw else None
    if given is not None and "spec" not in raw:
        return None, given
    spec, faults = _parsed(json.dumps(raw.get("spec", {})))
    if spec is None:
        return None, faults
    return spec, check_run(spec, raw.get("namespace", ""), name=str(raw["name"])) if given is None else given


@lru_cache(maxsize=SHARED)
def _parsed(text: str) -> tuple[RunSpec | None, tuple[Violation, ...]]:
    """Return a Run's spec from its JSON; if it cannot be parsed, None and its violations."""
    try:
        return parse_run_spec({"spec": json.loads(text)}), ()
    except Refused as refused:
        return None, refused.violations


def _mode(raw: Any) -> LLMMode:
    try:
        return LLMMode(raw)
    except ValueError:
        raise Refused((violation("mode", raw, f"must be one of {', '.join(LLMMode)}"),)) from None


def _policy(raw: JsonObject) -> tuple[ResolvedPolicy | None, bool, str]:
    """Return the policy, whether it is missing, and its error."""
    _only(raw, POLICY_KEYS, "policy.")
    if "missing" in raw or "refused" in raw:
        return None, "missing" in raw, str(raw.get("missing", raw.get("refused")))
    policy = _resolved(str(raw.get("name", "default")), json.dumps(raw.get("spec", {})))
    return replace(policy, digest=str(raw["digest"])) if "digest" in raw else policy, False, ""


@lru_cache(maxsize=SHARED)
def _resolved(name: str, text: str) -> ResolvedPolicy:
    """Return the policy of a name from its spec's JSON."""
    try:
        return ResolvedPolicy.of(name, parse(RunPolicySpec, json.loads(text)))
    except ValidationError as error:
        raise Refused(from_pydantic(error, "policy.spec")) from error


def _policy_document(snapshot: Snapshot) -> JsonObject:
    if snapshot.policy:
        policy = snapshot.policy
        return {"name": policy.name, "spec": dump(policy.spec), "digest": policy.digest}
    return {"refused" if snapshot.policy_exists else "missing": snapshot.policy_refusal}


def _state(raw: JsonObject | None, run_uid: str) -> OperatorState | None:
    if raw is None:
        return None
    try:
        return parse(OperatorState, {"runUID": run_uid, **raw})
    except ValidationError as error:
        raise Refused(from_pydantic(error, "state")) from error


def _pod(raw: JsonObject, run_uid: str) -> JsonObject:
    name = str(raw.get("name", ""))
    front, _, attempt = attempt_pod(name).rpartition("-r")
    named = {"agent": front.rpartition("-")[2], "attempt": int(attempt) if attempt.isdecimal() else -1}
    if task := named_task(name):
        named |= {"task": task.label, "taskNumber": task.number}
    return {"runUid": run_uid, "finalizers": [FINALIZER_OUTCOME], **named, **raw}


def _escalation(raw: JsonObject, run_uid: str) -> JsonObject:
    return {"runUid": run_uid, "uid": raw.get("name", ""), **raw}


def _consultation(raw: JsonObject) -> JsonObject:
    try:
        return {**raw, "advice": parse(AdviceState, raw["advice"])} if raw.get("advice") else raw
    except ValidationError as error:
        raise Refused(from_pydantic(error, "consultations.advice")) from error


def _facts(kind: type[F], raws: Any, path: str) -> tuple[F, ...]:
    for index, raw in enumerate(raws):
        _only(raw, _field_names(kind), f"{path}[{index}].")
    try:
        found: tuple[F, ...] = _adapter(tuple[kind, ...]).validate_python([_snake(raw) for raw in raws])  # type: ignore[valid-type]
    except ValidationError as error:
        raise Refused(from_pydantic(error, path)) from error
    return found


_ADAPTERS: dict[type, TypeAdapter[Any]] = {}
"""The adapter of each kind of facts, built once: building one takes milliseconds."""
_FIELDS: dict[type, frozenset[str]] = {}
"""The names of the fields of each kind of facts in a document."""


def _adapter(kind: type) -> TypeAdapter[Any]:
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def _field_names(kind: type[F]) -> frozenset[str]:
    if kind not in _FIELDS:
        _FIELDS[kind] = frozenset(to_camel(field.name) for field in fields(kind))
    return _FIELDS[kind]


def _list(document: JsonObject, key: str) -> list[JsonObject]:
    raw = document.get(key, [])
    if not isinstance(raw, list) or not all(isinstance(item, dict) for item in raw):
        raise Refused((violation(key, raw, "must be a list of mappings"),))
    return raw


_snake_name, _camel_name = lru_cache(maxsize=1024)(to_snake), lru_cache(maxsize=1024)(to_camel)


def _snake(raw: Any) -> Any:
    if isinstance(raw, dict):
        return {_snake_name(key): value if key == FREE_KEYS else _snake(value) for key, value in raw.items()}
    return raw


FREE_KEYS = "outputs"
"""The field whose keys an agent chooses; they are not field names."""


def _camel(plain: Any) -> Any:
    if isinstance(plain, dict):
        return {_camel_name(key): value if key == FREE_KEYS else _camel(value) for key, value in plain.items()}
    return [_camel(value) for value in plain] if isinstance(plain, list | tuple) else plain


def _plain(fact: Any) -> JsonObject:
    """Return a fact for a document, without the fields that have their default."""
    plain = _adapter(type(fact)).dump_python(fact, mode="json", exclude_defaults=True)
    found: JsonObject = _camel(plain)
    return found | _kept(fact)


def _kept(fact: Any) -> JsonObject:
    """Return the fields for which a reader's default differs from the field's own default."""
    return {"finalizers": list(fact.finalizers)} if isinstance(fact, PodFacts) else {}


def _only(raw: Any, known: frozenset[str] | set[str], prefix: str) -> None:
    if not isinstance(raw, dict):
        raise Refused((violation(prefix.rstrip(".") or "snapshot", raw, "must be a mapping"),))
    unknown = sorted(set(raw) - known)
    if unknown:
        raise Refused(tuple(violation(f"{prefix}{key}", None, f"is unknown: use {', '.join(sorted(known))}") for key in unknown))


def _time(raw: Any, path: str) -> datetime:
    try:
        moment = raw if isinstance(raw, datetime) else datetime.fromisoformat(str(raw))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise Refused((violation(path, raw, "must be an RFC 3339 time with a zone, such as 2026-01-01T12:00:00Z"),))
    return moment
