"""Snapshots written as plain JSON: the situations in the ledger, and the stories of golden files. `snapshot_reader` reads them."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from pydantic.alias_generators import to_snake

from controller.api.base import JsonObject, dump
from controller.plan.fact_fields import write_fact
from controller.plan.snapshot import RunFacts, Snapshot


def write_snapshot(snapshot: Snapshot, now: datetime) -> JsonObject:
    """Return the document from which `read_snapshot` creates an equal snapshot."""
    document: JsonObject = {
        "now": now.isoformat(),
        "run": _run_document(snapshot.run),
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
        document["halt"] = write_fact(snapshot.halt)
    if snapshot.turn_at:
        document["turnAt"] = snapshot.turn_at.isoformat()
    if snapshot.providers:
        document["providers"] = [write_fact(facts) for facts in snapshot.providers]
    for key in ("pods", "claims", "refusals", "podEvents", "escalations", "reports", "consultations"):
        document[key] = [write_fact(fact) for fact in getattr(snapshot, to_snake(key))]
    return document


def _run_document(run: RunFacts) -> JsonObject:
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
    return about | known


def _policy_document(snapshot: Snapshot) -> JsonObject:
    if snapshot.policy:
        policy = snapshot.policy
        return {"name": policy.name, "spec": dump(policy.spec), "digest": policy.digest}
    return {"refused" if snapshot.policy_exists else "missing": snapshot.policy_refusal}
