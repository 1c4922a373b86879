"""Events that an installation survives with working agents: an upgrade, a rollback, a change of store, a reboot of its node."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from controller.api.base import JsonObject
from tests.chart.helm import CHART, INSTALL_TIMEOUT, NAMESPACE, RELEASE
from tests.cluster import Cluster
from tests.cluster.kind import KindCluster
from tests.cluster.processes import run as command
from tests.image import IMAGE
from tests.kind.at_work import RESTARTS, answer_next, asks_again, begin, evidence, finish, record
from tests.kind.conftest import TEAM
from tests.kind.stage import LONG, Stage
from tests.kind.test_helm import install, on
from tests.plugin import Plugin
from tests.previous import PREVIOUS_IMAGE, VERSION, previous_archive, unpack
from tests.support import apply, await_phase, await_that, items, pods_of, run_of, shell, status

FROM_THE_FUTURE = {"status": {"operatorState": {"newField": "kept"}}}
"""Data that a still newer operator might have written to a record."""


@pytest.fixture
def stage(fresh: Cluster) -> Stage:
    """The stage of the Runs."""
    return Stage(fresh, TEAM)


def operator_image(cluster: Cluster) -> str:
    """Return the image of the leading operator."""
    (pod,) = [each for each in items(cluster, NAMESPACE, "pods") if "deletionTimestamp" not in each["metadata"]]
    return str(pod["spec"]["containers"][0]["image"])


def schemas(crds: list[JsonObject]) -> dict[str, Any]:
    """Return the schema of each CRD."""
    return {crd["metadata"]["name"]: crd["spec"]["versions"][0]["schema"] for crd in crds}


def crds_in(cluster: Cluster, chart: Path) -> dict[str, Any]:
    """Return the schemas that a cluster has of a chart's kinds. Kinds that are newer than the chart stay when it is installed."""
    found = schemas(json.loads(cluster.kubectl("get", "crd", "-o", "json"))["items"])
    return {name: schema for name, schema in found.items() if name in crds_of(chart)}


def crds_of(chart: Path) -> dict[str, Any]:
    """Return the schemas of a chart."""
    return schemas([yaml.safe_load(path.read_text()) for path in sorted((chart / "files/crds").glob("*.yaml"))])


def test_upgrade_and_rollback(fresh: KindCluster, stage: Stage, tmp_path: Path) -> None:
    """From the previous release to this one, back, and up again with working Runs: each release installs its own CRDs, no agent
    is disturbed or charged, both preserve the record with a field that neither knows, and a spent budget stays spent.
    """
    fresh.load(previous_archive())
    old = unpack(tmp_path / "previous")
    on(fresh, tmp_path, "uninstall", RELEASE, "--ignore-not-found", "--wait")
    install(fresh, tmp_path, f"--set=image.tag={VERSION}", chart=old)
    assert (operator_image(fresh), crds_in(fresh, old)) == (PREVIOUS_IMAGE, crds_of(old))
    begin(stage, "up")
    before = evidence(stage, "up")
    assert {run: charged for run, (_, charged, _) in before["charged"].items()} == RESTARTS
    patch_record(stage, "up-steady")

    install(fresh, tmp_path, "--reset-then-reuse-values")
    assert (operator_image(fresh), crds_in(fresh, CHART)) == (IMAGE, crds_of(CHART))
    assert evidence(stage, "up") == before
    answer_next(stage, "up-steady")
    await_that(lambda: len(record(stage, "up-steady")["agents"]["coder"]["asked"]) > 1, "a save by the new operator", LONG)
    assert record(stage, "up-steady")["newField"] == "kept"
    stage.asked("up-steady")
    stage.phase("up-steady", "AwaitingGuidance")

    before = evidence(stage, "up")
    on(fresh, tmp_path, "rollback", RELEASE, "--wait", "--timeout", INSTALL_TIMEOUT)
    assert (operator_image(fresh), crds_in(fresh, old)) == (PREVIOUS_IMAGE, crds_of(old))
    assert evidence(stage, "up") == before
    finish(stage, "up")
    assert record(stage, "up-steady")["newField"] == "kept"

    install(fresh, tmp_path)
    assert {run: status(fresh, TEAM, f"up-{run}")["restarts"] for run in RESTARTS} == RESTARTS


STORES = (
    ("status", "sqlite", "sql-"),
    ("sqlite", "annotations", "annotations"),
    ("annotations", "status", "status"),
)
"""The changes of store, in a full circle, and the name of each store in the Runs."""
HALTED, REASON = "halted", "the provider is down"
"""A namespace that is halted meanwhile, and why."""
VOLUME = "store.sqlite.storageClassName=standard,store.sqlite.accessMode=ReadWriteOnce"
"""The volumes of our cluster."""


def test_change_of_store(fresh: Cluster, stage: Stage, tmp_path: Path) -> None:
    """One value names the new store and one the old: with working Runs each store takes them over with their charges.

    No agent is disturbed, and a budget that was spent in the first store is spent in the last. A namespace that is halted stays so.
    """
    install(fresh, tmp_path)
    begin(stage, "move")
    before, held = evidence(stage, "move"), halt(fresh)
    for source, target, name in STORES:
        install(fresh, tmp_path, f"--set=store.type={target},store.migrateFrom={source},{VOLUME}")
        assert evidence(stage, "move") == before
        assert (status(fresh, HALTED, "held")["phase"], list(pods_of(fresh, HALTED, "held-coder"))) == ("Halted", ["held-coder-r0"])
        assert REASON in held.error("run", "more", "--image", "x", "--dry-run=server")
        told = [status(fresh, TEAM, f"move-{run}") for run in RESTARTS]
        assert all(found["storeID"].startswith(name) for found in told), told
        assert [("operatorState" in found) for found in told] == [target == "status"] * len(told)
    held.ok("lift")
    done = await_phase(fresh, HALTED, "held", "Completed")
    assert (done["restarts"], done["agents"][0]["attempt"]) == (0, 1)
    finish(stage, "move")
    install(fresh, tmp_path)
    for run, charged in RESTARTS.items():
        assert status(fresh, TEAM, f"move-{run}")["restarts"] == charged


def halt(cluster: Cluster) -> Plugin:
    """Halt a namespace of its own with an agent at work, and return its plugin once the Run shows the halt."""
    cluster.create_namespace(HALTED)
    apply(cluster, HALTED, run_of("held", shell("[ $RUNWATCHMAN_ATTEMPT -gt 0 ] || exec sleep 600")))
    await_phase(cluster, HALTED, "held", "Running")
    (rw := Plugin(cluster, HALTED)).ok("halt", "--reason", REASON)
    await_phase(cluster, HALTED, "held", "Halted")
    return rw


def test_the_node_reboots(fresh: KindCluster, stage: Stage, tmp_path: Path) -> None:
    """All processes on the node are killed at once: the operator restarts, and each agent is restarted exactly once, uncharged.

    No attempt runs twice, and a budget that was spent before is still spent.
    """
    install(fresh, tmp_path)
    begin(stage, "boot")
    before = evidence(stage, "boot")
    reboot(fresh)
    fresh.kubectl("-n", NAMESPACE, "rollout", "status", f"deployment/{RELEASE}", f"--timeout={BOOT:.0f}s")
    for run, charged in RESTARTS.items():
        await_that(partial(asks_again, stage, f"boot-{run}", charged + 1), f"{run} to ask again", BOOT)
    after = evidence(stage, "boot")
    assert after["charged"] == {run: ("AwaitingGuidance", charged, charged + 1) for run, charged in RESTARTS.items()}
    for name, (uid, _) in before["pods"].items():
        assert after["pods"][name][0] == uid
    assert set(after["pods"]) - set(before["pods"]) == {f"boot-{run}-coder-r{charged + 1}" for run, charged in RESTARTS.items()}
    finish(stage, "boot", uncharged=1)


BOOT = 300.0
"""Seconds until a node and all its containers run again: machines are shared."""


def reboot(cluster: KindCluster) -> None:
    """Restart the only node of a cluster, with its control plane, and wait until the API server answers again."""
    command(["docker", "restart", "--time", "0", *cluster.nodes], env=cluster.env)
    await_that(lambda: "True" in cluster.kubectl(*NODE_READY, check=False), "the node", BOOT)


NODE_READY = ("get", "nodes", "-o", "jsonpath={.items[*].status.conditions[?(@.type=='Ready')].status}")


def patch_record(stage: Stage, run: str) -> None:
    """Add a field to a Run's record that no version knows."""
    how = ["--subresource=status", "--type=merge", "-p", json.dumps(FROM_THE_FUTURE)]
    stage.cluster.kubectl("-n", TEAM, "patch", "run", run, *how)
