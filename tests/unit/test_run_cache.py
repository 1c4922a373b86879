"""The status store refuses untrusted state; the cache never goes back in time."""

from __future__ import annotations

from typing import Any, cast

import pytest

from controller.api.base import dump
from controller.api.names import RunKey
from controller.api.operator_state import AgentState, OperatorState
from controller.api.timestamps import parse_time
from controller.cache.run_cache import RunCache
from controller.kube.client import Client
from controller.store.status_store import StatusStore
from tests.builders import a_pod, a_run

STATE = dump(OperatorState(run_uid="u1", agents={"coder": AgentState(pod_uid="p")}))

KEY = RunKey("ns", "demo", "u1")

COUNTS = {"attempt": 0, "restarts": 0, "freeRestarts": 0}


def run(version: int = 1, uid: str = "u1", **status: Any) -> dict[str, Any]:
    return a_run(uid=uid, version=version, status=status)


def pod(version: int, uid: str = "p1", run_uid: str = "u1") -> dict[str, Any]:
    labels = {"runwatchman.dev/run": "demo", "runwatchman.dev/run-uid": run_uid, "runwatchman.dev/attempt": "0"}
    status = {"phase": f"v{version}"}
    return a_pod(status=status, name=f"demo-coder-{uid}", uid=uid, resourceVersion=str(version), labels=labels)


@pytest.mark.parametrize(
    ("status", "says"),
    [
        ({"startTime": "2026-01-01T00:00:00Z"}, "operatorState is missing"),
        ({"storeID": "sqlite-7", "operatorState": STATE}, "storeID is 'sqlite-7'"),
        ({"operatorState": STATE | {"schemaVersion": 3}}, "schemaVersion"),
        ({"operatorState": STATE | {"agents": {"coder": {"attempt": 1, "restartz": 3}}}}, "agents.coder.restarts is missing"),
        ({"operatorState": {"agents": {}}}, "runUID"),
        ({"operatorState": STATE | {"agents": {"coder": COUNTS | {"attempt": -1}}}}, "attempt"),
    ],
)
async def test_doubtful_state_is_refused(status: dict[str, Any], says: str) -> None:
    """A lost, foreign, newer or broken record is refused with its cause, never read as an empty state."""
    loaded = await StatusStore(cast(Client, None)).load(run(**status), live=True)
    assert loaded.state is None
    assert says in loaded.refusal


async def test_state_of_another_run_is_ignored_and_good_state_is_read() -> None:
    """A record copied from another Run is ignored before the start, and refused after it; the Run's own is read."""
    store = StatusStore(cast(Client, None))
    assert await store.load(run(uid="u2", operatorState=STATE), live=True) == await store.load(run(uid="u2"), live=True)
    late = await store.load(run(uid="u2", operatorState=STATE, startTime="2026-01-01T00:00:00Z"), live=True)
    assert "belongs to the Run with UID 'u1'" in late.refusal
    loaded = await store.load(run(operatorState=STATE), live=True)
    assert loaded.state is not None
    assert loaded.state.agents["coder"].pod_uid == "p"


def test_newer_wins_and_the_dead_stay_dead() -> None:
    """An older version never overwrites a newer one, a list older than an object does not remove it, and no UID returns."""
    told: list[RunKey] = []
    inventory = RunCache(told.append)
    inventory.pods.upsert(pod(5))
    inventory.pods.upsert(pod(4))
    assert [facts.phase for facts in inventory.pods_of(KEY)] == ["v5"]
    inventory.pods.retain(None, (), "4")
    assert inventory.pods_of(KEY)
    inventory.pods.retain("other", (), "9")
    assert inventory.pods_of(KEY)
    inventory.pods.retain("ns", (), "9")
    assert not inventory.pods_of(KEY)
    inventory.apply_pod(pod(8))
    assert not inventory.pods_of(KEY)
    assert set(told) == {RunKey("ns", "demo", "u1")}


def test_a_pass_is_not_told_of_its_own_writes() -> None:
    """A pass's own write does not queue its Run again; a write for another Run does, and so does any watch event."""
    told: list[RunKey] = []
    inventory = RunCache(told.append)
    inventory.apply_run(run())
    inventory.apply_pod(pod(5), KEY)
    assert not told
    assert inventory.pods_of(KEY)
    inventory.apply_pod(pod(6), KEY._replace(uid="another"))
    inventory.pods.upsert(pod(7))
    assert told == [RunKey("ns", "demo", "u1")] * 2


def test_an_answer_is_judged_although_its_version_is_kept() -> None:
    """The removal of a deleted pod's last finalizer is answered with the pod's former version: it is deleted, not written."""
    inventory = RunCache(lambda _: None)
    held = pod(5)
    held["metadata"] |= {"finalizers": ["runwatchman.dev/outcome"], "deletionTimestamp": "2026-01-01T00:00:00Z"}
    inventory.pods.upsert(held)
    held["metadata"]["finalizers"] = []
    assert inventory.apply_pod(held, KEY).finalizers == ()


def test_a_cached_run_is_nobodys_to_change() -> None:
    """The cache returns the object as received, without managedFields, and a separate copy to each caller."""
    inventory = RunCache(lambda _: None)
    told = run()
    told["metadata"]["managedFields"] = [{"manager": "kubectl"}]
    inventory.runs.upsert(told)
    told["metadata"]["name"] = "changed"
    kept = inventory.run(KEY)
    assert kept
    kept.obj["metadata"]["name"] = "changed"
    assert kept.obj == run()


def test_the_spec_of_a_live_run_is_read_once_a_generation() -> None:
    """The live spec is read once per generation; a newer generation and a Run that is being deleted are read again."""
    inventory = RunCache(lambda _: None)
    inventory.runs.upsert(run())
    kept = inventory.run(KEY)
    assert kept
    assert inventory.view(KEY).facts_of(run()) is kept.facts
    newer, going = run(), run()
    newer["metadata"]["generation"] = 2
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert inventory.view(KEY).facts_of(newer).generation == 2
    assert inventory.view(KEY).facts_of(going).gone


def test_a_poisoned_run_is_kept_with_its_violations() -> None:
    """An unreadable spec becomes violations; other Runs are read as always."""
    inventory = RunCache(lambda _: None)
    broken = run(uid="bad") | {"spec": {"agents": "none"}}
    inventory.runs.upsert(broken)
    inventory.runs.upsert(run(uid="good"))
    bad, good = inventory.run(KEY._replace(uid="bad")), inventory.run(KEY._replace(uid="good"))
    assert bad is not None
    assert bad.facts.spec is None
    assert bad.facts.violations[0].path == "spec.agents"
    assert good is not None
    assert good.facts.spec is not None


def test_policies_are_found_by_name_and_tell_the_runs_of_their_namespace() -> None:
    """A policy's change queues every Run of its namespace; a policy that cannot be read has a reason."""
    told: list[RunKey] = []
    inventory = RunCache(told.append)
    inventory.runs.upsert(run())
    told.clear()
    meta = {"namespace": "ns", "name": "strict", "uid": "y", "resourceVersion": "3"}
    inventory.policies.upsert({"metadata": meta, "spec": {"restartBudget": "many"}})
    assert told == [RunKey("ns", "demo", "u1")]
    assert "spec.restartBudget" in str(inventory.policy("ns", "strict"))
    assert inventory.policy("elsewhere", "strict") is None


def test_a_pod_that_names_no_run_is_nobodys() -> None:
    """Any user can set a label: a pod without the name of its Run makes no key, because no pass could handle it."""
    told: list[RunKey] = []
    forged = pod(1)
    del forged["metadata"]["labels"]["runwatchman.dev/run"]
    RunCache(told.append).pods.upsert(forged)
    assert told == []


def test_the_time_of_a_refusal_is_that_of_the_newest_status() -> None:
    """A status of the same generation sets and ends the time since which writes are refused; the spec is not read again."""
    cache = RunCache(lambda _: None)
    condition = {"type": "WritesAccepted", "status": "False", "lastTransitionTime": "2026-01-01T12:00:00Z"}
    since = []
    for version, found in enumerate(([], [condition], [condition | {"status": "True"}]), 1):
        cache.apply_run(run(version, conditions=found))
        entry = cache.view(KEY).run
        assert entry
        since.append(entry.facts.refused_since)
    assert since == [None, parse_time("2026-01-01T12:00:00Z"), None]
