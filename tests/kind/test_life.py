"""What an installation lives through while agents are at work: an upgrade, a rollback, a change of store, a reboot of its node."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from controller.api.base import JsonObject
from tests.chart.helm import CHART, NAMESPACE, RELEASE
from tests.cluster import Cluster
from tests.cluster.kind import KindCluster
from tests.cluster.processes import run
from tests.image import IMAGE
from tests.kind.conftest import TEAM
from tests.kind.stage import LONG, Stage
from tests.kind.test_helm import install, on
from tests.previous import PREVIOUS_IMAGE, VERSION, previous_archive, unpack
from tests.support import apply, await_that, items, pods_of, policy_of, run_of, shell, status

AT_WORK = 'rw ask --wait 600 "First?" yes; rw ask --wait 600 "Second?" yes; rw done "shipped"'
CRASHES = f"[ $RUNWARDEN_ATTEMPT -gt 0 ] || exit 1; {AT_WORK}"
CRASHES_ON_ANSWER = '[ $RUNWARDEN_ATTEMPT -gt 0 ] || exit 1; rw ask --wait 600 "First?" yes; exit 1'
RESTARTS = {"steady": 0, "crashed": 1, "spent": 1}
"""The Runs that are at work all the while, and what they were charged before it began."""
FROM_THE_FUTURE = {"status": {"operatorState": {"newField": "kept"}}}
"""What an even newer operator might have written to a record."""


@pytest.fixture
def stage(fresh: Cluster) -> Stage:
    """Where the Runs are."""
    return Stage(fresh, TEAM)


def begin(stage: Stage, prefix: str) -> None:
    """Start a Run of each kind, and wait until each waits for its first answer with its restarts charged."""
    apply(stage.cluster, TEAM, policy_of({"restartBudget": 1, "restartCooldownSeconds": 0}, "one"))
    scripts = {"steady": AT_WORK, "crashed": CRASHES, "spent": CRASHES_ON_ANSWER}
    runs = [run_of(f"{prefix}-{name}", shell(script), policyRef={"name": "one"}) for name, script in scripts.items()]
    apply(stage.cluster, TEAM, *runs)
    for name in scripts:
        stage.phase(f"{prefix}-{name}", "AwaitingGuidance")
    await_that(lambda: running(stage, prefix) == len(scripts), "the kubelet's word that each agent runs", LONG)


def running(stage: Stage, prefix: str) -> int:
    """Return how many agents run by the word of the kubelet, which may come later than the agent's own."""
    states = [c["state"] for pod in pods_of(stage.cluster, TEAM, prefix).values() for c in pod["status"]["containerStatuses"]]
    return sum("running" in state for state in states)


def evidence(stage: Stage, prefix: str) -> JsonObject:
    """Return what a disturbed agent or a charged restart would change: pods, their containers, and what Runs were charged."""
    pods = {
        name: (pod["metadata"]["uid"], [(c["restartCount"], c["state"]) for c in pod["status"]["containerStatuses"]])
        for name, pod in pods_of(stage.cluster, TEAM, prefix).items()
    }
    states = {run: status(stage.cluster, TEAM, f"{prefix}-{run}") for run in RESTARTS}
    charged = {run: (found["phase"], found["restarts"], found["agents"][0]["attempt"]) for run, found in states.items()}
    return {"pods": pods, "charged": charged}


def answer_next(stage: Stage, run: str) -> None:
    """Answer the question that a Run waits for."""
    stage.answer(stage.asked(run)[0], "yes")


def finish(stage: Stage, prefix: str) -> None:
    """Let every Run go on: two complete with what they were charged, one crashes and has nothing left to be restarted on."""
    for run, charged in RESTARTS.items():
        end = "Blocked" if run == "spent" else "Completed"
        found = answer_until(stage, f"{prefix}-{run}", end)
        assert (found["restarts"], found["agents"][0]["attempt"]) == (charged, charged)
    assert found["reason"] == "RestartBudgetSpent"


def answer_until(stage: Stage, run: str, phase: str) -> JsonObject:
    """Answer each question of a Run, once, until it is in a phase, and return its status."""
    answered: set[str] = set()

    def there() -> JsonObject | None:
        for each in stage.escalations(run):
            if each["spec"]["type"] == "Question" and each["metadata"]["name"] not in answered and is_open(each):
                answered.add(each["metadata"]["name"])
                stage.answer(each, "yes")
        found = status(stage.cluster, TEAM, run)
        return found if found["phase"] == phase else None

    found: JsonObject = await_that(there, f"{run} {phase}", LONG)
    return found


def is_open(escalation: JsonObject) -> bool:
    """Whether an escalation waits for an answer."""
    return bool(escalation.get("status", {}).get("phase") == "Open")


def operator_image(cluster: Cluster) -> str:
    """Return the image of the operator that leads."""
    (pod,) = [each for each in items(cluster, NAMESPACE, "pods") if "deletionTimestamp" not in each["metadata"]]
    return str(pod["spec"]["containers"][0]["image"])


def schemas(crds: list[JsonObject]) -> dict[str, Any]:
    """Return the schema of each CRD."""
    return {crd["metadata"]["name"]: crd["spec"]["versions"][0]["schema"] for crd in crds}


def crds_in(cluster: Cluster) -> dict[str, Any]:
    """Return the schemas that a cluster has."""
    found = json.loads(cluster.kubectl("get", "crd", "-o", "json"))["items"]
    return schemas([crd for crd in found if crd["metadata"]["name"].endswith("runwarden.dev")])


def crds_of(chart: Path) -> dict[str, Any]:
    """Return the schemas that a chart brings."""
    return schemas([yaml.safe_load(path.read_text()) for path in sorted((chart / "files/crds").glob("*.yaml"))])


def record(stage: Stage, run: str) -> JsonObject:
    """Return the operator's record of a Run."""
    found: JsonObject = status(stage.cluster, TEAM, run)["operatorState"]
    return found


def test_upgrade_and_rollback(fresh: KindCluster, stage: Stage, tmp_path: Path) -> None:
    """From the previous release to this one, back, and up again with Runs at work: the CRDs are each release's own, no agent is
    disturbed, nothing is charged, the record is carried along, and a spent budget is spent afterwards.
    """
    fresh.load(previous_archive())
    old = unpack(tmp_path / "previous")
    on(fresh, tmp_path, "uninstall", RELEASE, "--ignore-not-found", "--wait")
    install(fresh, tmp_path, f"--set=image.tag={VERSION}", chart=old)
    assert (operator_image(fresh), crds_in(fresh)) == (PREVIOUS_IMAGE, crds_of(old))
    begin(stage, "up")
    before = evidence(stage, "up")
    assert {run: charged for run, (_, charged, _) in before["charged"].items()} == RESTARTS
    patch_record(stage, "up-steady")
    assert "newField" not in record(stage, "up-steady")

    install(fresh, tmp_path, "--reset-then-reuse-values")
    assert (operator_image(fresh), crds_in(fresh)) == (IMAGE, crds_of(CHART))
    assert evidence(stage, "up") == before
    patch_record(stage, "up-steady")
    answer_next(stage, "up-steady")
    await_that(lambda: len(record(stage, "up-steady")["agents"]["coder"]["asked"]) > 1, "a save by the new operator", LONG)
    assert record(stage, "up-steady")["newField"] == "kept"
    stage.asked("up-steady")

    before = evidence(stage, "up")
    on(fresh, tmp_path, "rollback", RELEASE, "--wait", "--timeout", "120s")
    assert (operator_image(fresh), crds_in(fresh)) == (PREVIOUS_IMAGE, crds_of(old))
    assert evidence(stage, "up") == before
    finish(stage, "up")
    assert "newField" not in record(stage, "up-steady")

    install(fresh, tmp_path)
    assert {run: status(fresh, TEAM, f"up-{run}")["restarts"] for run in RESTARTS} == RESTARTS


STORES = (
    ("status", "sqlite", "sql-"),
    ("sqlite", "annotations", "annotations"),
    ("annotations", "status", "status"),
)
"""From which store to which, and how the Runs then name it: all the way round."""
VOLUME = "store.sqlite.storageClassName=standard,store.sqlite.accessMode=ReadWriteOnce"
"""What the volumes of our cluster are."""


def test_change_of_store(fresh: Cluster, stage: Stage, tmp_path: Path) -> None:
    """One value names the new store and one the old: with Runs at work each store takes them over, charged as they were, no agent is
    disturbed, and a budget that was spent in the first store is spent in the last.
    """
    install(fresh, tmp_path)
    begin(stage, "move")
    before = evidence(stage, "move")
    for source, target, name in STORES:
        install(fresh, tmp_path, f"--set=store.type={target},store.migrateFrom={source},{VOLUME}")
        assert evidence(stage, "move") == before
        told = [status(fresh, TEAM, f"move-{run}") for run in RESTARTS]
        assert all(found["storeID"].startswith(name) for found in told), told
        assert [("operatorState" in found) for found in told] == [target == "status"] * len(told)
    finish(stage, "move")
    install(fresh, tmp_path)
    for run, charged in RESTARTS.items():
        assert status(fresh, TEAM, f"move-{run}")["restarts"] == charged


def test_the_node_reboots(fresh: KindCluster, stage: Stage, tmp_path: Path) -> None:
    """Everything on the node is killed at once: the operator comes back, each agent is started again exactly once, within its budget
    and not beyond it, and nothing runs twice.
    """
    install(fresh, tmp_path)
    begin(stage, "boot")
    before = evidence(stage, "boot")
    reboot(fresh)
    await_that(lambda: evidence(stage, "boot")["charged"] != before["charged"], "the operator to see what became of the agents", BOOT)
    on(fresh, tmp_path, "upgrade", RELEASE, str(CHART), "--reset-then-reuse-values", "--wait", "--timeout", "120s")
    print(json.dumps(evidence(stage, "boot"), indent=1))
    for run in RESTARTS:
        print(run, json.dumps(status(fresh, TEAM, f"boot-{run}"), indent=1))
    assert 0


BOOT = 300.0
"""Seconds in which a node and all that runs on it are back: machines are shared."""


def reboot(cluster: KindCluster) -> None:
    """Restart the only node of a cluster, its control plane included, and wait until the API server answers again."""
    run(["docker", "restart", "--time", "0", *cluster.nodes], env=cluster.env)
    await_that(lambda: "True" in cluster.kubectl(*NODE_READY, check=False), "the node", BOOT)


NODE_READY = ("get", "nodes", "-o", "jsonpath={.items[*].status.conditions[?(@.type=='Ready')].status}")


def patch_record(stage: Stage, run: str) -> None:
    """Add a field to a Run's record that no version knows."""
    how = ["--subresource=status", "--type=merge", "-p", json.dumps(FROM_THE_FUTURE)]
    stage.cluster.kubectl("-n", TEAM, "patch", "run", run, *how)
