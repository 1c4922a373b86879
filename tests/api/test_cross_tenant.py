"""A tenant who knows the UID of another's Run, on a real API server: her objects in her own namespace do not affect it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from controller.api.base import JsonObject
from controller.api.names import RunKey
from controller.cache.policy_file_watcher import PolicyFileWatcher
from controller.cache.run_cache import RunCache
from controller.kube.client import Client
from controller.kube.resources import PODS, RUNS
from controller.observability.metrics import Metrics
from controller.reconcile.actions import Tools
from controller.reconcile.observer import Observer
from controller.reconcile.reconciler import Reconciler
from controller.store.factory import make_store
from tests.cluster import Cluster
from tests.support import OperatorProcess, apply, await_phase, await_that, get, items, run_of, simulated_forever

OURS = ("runwatchman/", "kopf/", "Python")


@pytest.fixture
def attacker(api_cluster: Cluster, namespace: str) -> Iterator[str]:
    """The attacker's namespace."""
    name = f"{namespace}-attacker"
    api_cluster.kubectl("create", "namespace", name)
    yield name
    api_cluster.kubectl("delete", "namespace", name, "--wait=false")


def forged_report(uid: str) -> JsonObject:
    """Return a report that claims another tenant's Run as its own, with an owner reference."""
    api = "runwatchman.dev/v1alpha1"
    owner = {"apiVersion": api, "kind": "Run", "name": "victim", "uid": uid, "controller": True}
    return {
        "apiVersion": api,
        "kind": "AgentReport",
        "metadata": {"name": "victim-coder", "ownerReferences": [owner]},
        "spec": {"runName": "victim", "runUID": uid, "agent": "coder"},
    }


def forged_pod(uid: str) -> JsonObject:
    """Return a pod with the labels and the owner of another tenant's agent."""
    labels = {"run": "victim", "run-uid": uid, "agent": "coder", "attempt": "0"}
    meta = forged_report(uid)["metadata"] | {"name": "victim-coder-r0"}
    meta["labels"] = {f"runwatchman.dev/{key}": value for key, value in labels.items()}
    spec = {"containers": [{"name": "agent", "image": "x"}], "schedulingGates": [{"name": "runwatchman.dev/admitted"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}


def rows(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [row[0] for row in connection.execute("SELECT run_id FROM operator_run_states WHERE name = 'victim'")]


def test_a_forged_report_acts_on_no_run(api_cluster: Cluster, namespace: str, attacker: str, tmp_path: Path) -> None:
    """A report and a pod that claim another namespace's Run start no second attempt of it and delete no state of it.

    Cluster admins create them, since no admission policy applies to these: the test is about the events that the operator gets from
    its watches.
    """
    options = ("--store", f"sqlite:///{tmp_path}/states.db", "--namespace", namespace, "--namespace", attacker)
    with OperatorProcess(api_cluster, *options, "--lease-name", f"forged-{namespace}"):
        apply(api_cluster, namespace, simulated_forever("victim"))
        await_phase(api_cluster, namespace, "victim", "Running")
        uid = get(api_cluster, namespace, "run", "victim")["metadata"]["uid"]
        before = api_cluster.writes(namespace, *OURS)
        apply(api_cluster, attacker, forged_report(uid), forged_pod(uid))
        status = {"attempt": 0, "podUID": "none", "seq": 1, "intervalSeconds": 60, "activityAgeSeconds": 0}
        patch = json.dumps({"status": status})
        told = ("patch", "agentreport", "victim-coder", "--subresource=status", "--type=merge", "-p", patch)
        api_cluster.kubectl("-n", attacker, *told, "--field-manager=runwatchman-reporter", check=False)
        apply(api_cluster, attacker, run_of("later"))
        await_phase(api_cluster, attacker, "later", "Completed")
        await_that(lambda: not items(api_cluster, attacker, "agentreports"), "the garbage collector to take what has no owner")
        assert rows(tmp_path / "states.db") == [uid]
        assert [pod["metadata"]["name"] for pod in items(api_cluster, namespace, "pods")] == ["victim-coder-r0"]
        assert api_cluster.writes(namespace, *OURS) == before


async def test_a_forged_key_reads_and_forgets_nothing(client: Client, namespace: str, attacker: str, tmp_path: Path) -> None:
    """A pass for another namespace's Run, as a forged report causes it, keeps that Run's state, and acts for it nowhere.

    The victim has just ended an attempt, so that a pass that took its facts from the caches would act.
    """
    store = make_store(f"sqlite:///{tmp_path}/states.db", client)
    await store.open()
    inventory = RunCache(lambda _: None)
    tools = Tools(client, inventory)
    observer = Observer(client, inventory, store, PolicyFileWatcher(None))
    reconciler = Reconciler(observer, store, tools, inventory, Metrics(), monotonic=count(step=60).__next__)  # no status waits
    run = await client.create(RUNS, namespace, run_of("victim"))
    inventory.runs.upsert(run)
    victim = RunKey(namespace, "victim", run["metadata"]["uid"])
    await reconciler.reconcile(victim)
    pod = await client.get(PODS, namespace, "victim-coder-r0")
    pod["metadata"]["resourceVersion"] += "0"
    inventory.pods.upsert(pod | {"status": {"phase": "Running"}})
    await reconciler.reconcile(victim)
    assert rows(tmp_path / "states.db") == [victim.uid]
    pod["metadata"]["resourceVersion"] += "0"
    inventory.pods.upsert(pod | {"status": {"phase": "Failed"}})
    await reconciler.reconcile(victim._replace(namespace=attacker))
    assert rows(tmp_path / "states.db") == [victim.uid]
    assert (await client.list_all(PODS, attacker)).items == []
    await store.close()
