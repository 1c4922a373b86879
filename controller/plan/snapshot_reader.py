"""Snapshots read from plain JSON: the input of `runwatchman plan`, the stories of golden files, and the situations in the ledger.

A document's facts have the names of the fields in `snapshot`, in camelCase; spec, policy and state are as the API has them.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from pydantic import ValidationError

from controller.api.advice import AdviceState
from controller.api.base import JsonObject, parse
from controller.api.checks import check_run, parse_run_spec
from controller.api.llm_policy import LLMMode
from controller.api.names import FINALIZER_OUTCOME, attempt_pod, named_task
from controller.api.operator_state import OperatorState
from controller.api.policy import RunPolicySpec
from controller.api.resolved_policy import ResolvedPolicy
from controller.api.run import RunSpec
from controller.api.violations import Refused, Violation, from_pydantic, violation
from controller.plan.fact_fields import check_keys, read_facts
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
    check_keys(document, KEYS, "")
    run = _run(document.get("run"))
    policy, missing, refusal = _policy(document.get("policy", {}))
    snapshot = Snapshot(
        run=run,
        policy=policy,
        policy_exists=not missing,
        policy_refusal=refusal,
        state=_state(document.get("state"), run.uid),
        state_refusal=document.get("stateRefusal", ""),
        pods=read_facts(PodFacts, [_pod(pod, run.uid) for pod in _list(document, "pods")], "pods"),
        claims=read_facts(ClaimFacts, [{"runUid": run.uid, **claim} for claim in _list(document, "claims")], "claims"),
        refusals=read_facts(Refusal, _list(document, "refusals"), "refusals"),
        pod_events=read_facts(PodEvents, _list(document, "podEvents"), "podEvents"),
        escalations=read_facts(EscalationFacts, [_escalation(e, run.uid) for e in _list(document, "escalations")], "escalations"),
        reports=read_facts(ReportFacts, [{"runUid": run.uid, **report} for report in _list(document, "reports")], "reports"),
        consultations=read_facts(ConsultationFacts, [_consultation(c) for c in _list(document, "consultations")], "consultations"),
        advisor=document.get("advisor", False),
        mode=_mode(document.get("mode", LLMMode.OFF.value)),
        namespace_terminating=document.get("namespaceTerminating", False),
        queued=document.get("queued", False),
        admission=document.get("admission", False),
        halt=next(iter(read_facts(HaltFacts, [halt] if (halt := document.get("halt")) else [], "halt")), None),
        turn_at=_time(document["turnAt"], "turnAt") if document.get("turnAt") else None,
        providers=read_facts(ProviderFacts, _list(document, "providers"), "providers"),
    )
    return snapshot, _time(document.get("now"), "now")


def _run(raw: Any) -> RunFacts:
    if not isinstance(raw, dict) or "name" not in raw:
        raise Refused((violation("run.name", None, "is missing: say which Run the snapshot is of"),))
    check_keys(raw, RUN_KEYS, "run.")
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
    given = read_facts(Violation, _list(raw, "violations"), "run.violations") if "violations" in raw else None
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
    check_keys(raw, POLICY_KEYS, "policy.")
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


def _list(document: JsonObject, key: str) -> list[JsonObject]:
    raw = document.get(key, [])
    if not isinstance(raw, list) or not all(isinstance(item, dict) for item in raw):
        raise Refused((violation(key, raw, "must be a list of mappings"),))
    return raw


def _time(raw: Any, path: str) -> datetime:
    try:
        moment = raw if isinstance(raw, datetime) else datetime.fromisoformat(str(raw))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise Refused((violation(path, raw, "must be an RFC 3339 time with a zone, such as 2026-01-01T12:00:00Z"),))
    return moment
