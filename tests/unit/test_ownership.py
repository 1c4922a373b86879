"""An object belongs to a Run of its own namespace and name, for any UID in it: no tenant's object affects another's Run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from controller.api.base import JsonObject, dump
from controller.api.names import API_VERSION, RunKey
from controller.api.operator_state import OperatorState
from controller.api.policy import RunPolicySpec
from controller.api.resolved_policy import ResolvedPolicy
from controller.cache.policy_resolver import shard_key
from controller.cache.run_cache import RunCache
from controller.store import KnownRun, Loaded
from controller.store.sql.tables import states
from tests.unit.stores.conftest import run_object, sql_store

VICTIM = RunKey("victim", "demo", "u1")
CLAIMED = VICTIM._replace(namespace="attacker")

REPORT_STATUS = {"attempt": 0, "podUID": "p", "seq": 1, "intervalSeconds": 60, "activityAgeSeconds": 0}
STAMP = {"manager": "runwatchman-reporter", "subresource": "status", "time": "2026-01-01T00:00:01Z"}


def the_run(key: RunKey = VICTIM) -> JsonObject:
    meta = {"namespace": key.namespace, "name": key.name, "uid": key.uid, "resourceVersion": "1", "generation": 1}
    return {"metadata": meta, "spec": {"agents": [{"name": "coder", "image": "x"}]}}


def owner(uid: str = VICTIM.uid, **other: Any) -> JsonObject:
    return {"apiVersion": API_VERSION, "kind": "Run", "name": VICTIM.name, "uid": uid, "controller": True} | other


def a_pod(namespace: str) -> JsonObject:
    labels = {"runwatchman.dev/run": VICTIM.name, "runwatchman.dev/run-uid": VICTIM.uid, "runwatchman.dev/attempt": "0"}
    meta = {"namespace": namespace, "name": "demo-coder-r0", "uid": f"pod-{namespace}", "resourceVersion": "1", "labels": labels}
    return {"metadata": meta | {"ownerReferences": [owner()]}, "spec": {"containers": [{"name": "agent"}]}}


def an_escalation(namespace: str) -> JsonObject:
    meta = {"namespace": namespace, "name": "demo-coder-1", "uid": f"escalation-{namespace}", "resourceVersion": "1"}
    return {"metadata": meta, "spec": {"runName": VICTIM.name, "runUID": VICTIM.uid, "type": "Question"}}


def a_report(namespace: str, *owners: JsonObject) -> JsonObject:
    meta = {"namespace": namespace, "name": "demo-coder", "uid": f"report-{namespace}", "resourceVersion": "1"}
    whose = {"managedFields": [STAMP], "ownerReferences": list(owners or (owner(),))}
    return {
        "metadata": meta | whose,
        "spec": {"runName": VICTIM.name, "runUID": VICTIM.uid, "agent": "coder"},
        "status": REPORT_STATUS,
    }


KINDS: dict[str, tuple[Callable[[str], JsonObject], Callable[[RunCache, RunKey], tuple[object, ...]]]] = {
    "pods": (a_pod, RunCache.pods_of),
    "escalations": (an_escalation, RunCache.escalations_of),
    "reports": (a_report, RunCache.reports_of),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_claims_another_namespaces_run_is_not_found_with_it(kind: str) -> None:
    """An object of another namespace with the Run's name and UID neither queues the Run nor is part of its observation."""
    told: list[RunKey] = []
    make, found = KINDS[kind]
    inventory = RunCache(told.append)
    inventory.runs.upsert(the_run())
    told.clear()
    getattr(inventory, kind).upsert(make("attacker"))
    assert VICTIM not in told
    assert found(inventory, VICTIM) == ()
    getattr(inventory, kind).upsert(make("victim"))
    assert len(found(inventory, VICTIM)) == 1, "its own is found"


def test_a_uid_alone_finds_no_run() -> None:
    """The key from a forged object matches no Run in the caches, and does not affect the Run that has the UID."""
    inventory = RunCache(lambda _: None)
    inventory.runs.upsert(the_run())
    for claimed in (CLAIMED, VICTIM._replace(name="other")):
        assert inventory.run(claimed) is None
        inventory.release_reservation(claimed)
    assert inventory.run(VICTIM)


@pytest.mark.parametrize(
    "owners",
    [
        [owner(uid="another")],
        [owner(kind="Job")],
        [owner(apiVersion="batch/v1")],
        [owner(name="another")],
        [owner(), owner(uid="another")],
    ],
    ids=["another UID", "another kind", "another group", "another name", "two owners"],
)
def test_a_report_without_its_run_as_only_owner_is_nobodys(owners: list[JsonObject]) -> None:
    """A report counts for a Run only if its single owner reference names the same Run."""
    told: list[RunKey] = []
    inventory = RunCache(told.append)
    inventory.reports.upsert(a_report("victim", *owners))
    assert inventory.reports_of(VICTIM) == ()
    assert told == []


def test_a_key_that_another_tenant_made_is_hashed_like_any_other() -> None:
    """With shards, a forged key maps to some shard and reads no Run of another namespace."""
    inventory = RunCache(lambda _: None)
    inventory.runs.upsert(the_run())
    policy = ResolvedPolicy.of("", RunPolicySpec(max_active_runs=1))
    assert shard_key(inventory, policy, VICTIM) == "/default"
    assert shard_key(inventory, policy, CLAIMED) == VICTIM.uid


@pytest.mark.parametrize("claimed", [CLAIMED, VICTIM._replace(name="other")], ids=["namespace", "name"])
async def test_a_row_is_forgotten_only_under_its_namespace_and_name(tmp_path: Path, claimed: RunKey) -> None:
    """A forged key of a missing Run does not delete the row of the Run whose UID it names."""
    store = sql_store(f"sqlite:///{tmp_path}/states.db")
    await store.open()
    run = run_object(uid=VICTIM.uid)
    run["metadata"] |= {"namespace": VICTIM.namespace, "name": VICTIM.name}
    state = OperatorState(run_uid=VICTIM.uid)
    written, _ = await store.commit(run, Loaded(), state, {})
    await store.forget(KnownRun(claimed.uid, claimed.namespace, claimed.name))
    assert dump((await store.load(written, live=True)).state or OperatorState(run_uid="")) == dump(state)
    await store.forget(KnownRun(VICTIM.uid, VICTIM.namespace, VICTIM.name))
    assert await store._database.run(lambda connection: connection.execute(sa.select(states)).all()) == []
    await store.close()
