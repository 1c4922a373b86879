"""Objects made to stop the operator, on a real API server: each affects only itself and is reported, and other Runs continue."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from controller.api.base import JsonObject
from tests.cluster import Cluster
from tests.hostile import deep_run, post, run_with
from tests.plugin import Plugin
from tests.support import (
    OperatorProcess,
    apply,
    await_phase,
    await_that,
    condition,
    get,
    items,
    run_of,
    simulated_forever,
    status,
)

LARGE_BYTES = 1_300_000
"""Close to the largest object that etcd accepts."""
LONG_ARGUMENT = 32_000
UNKNOWN_FIELDS = 5_000
LARGE_RUNS = 12


def told(cluster: Cluster, namespace: str, run: str) -> JsonObject:
    """Return a Run's status only: the whole Run is more than Python's decoder accepts."""
    found: JsonObject = json.loads(cluster.kubectl("-n", namespace, "get", "run", run, "-o", "jsonpath={.status}") or "{}")
    return found


@pytest.fixture
def operator(api_cluster: Cluster, namespace: str) -> Iterator[OperatorProcess]:
    """An operator of this namespace."""
    with OperatorProcess(api_cluster, "--namespace", namespace, "--lease-name", f"hostile-{namespace}") as process:
        yield process


def unhurt(operator: OperatorProcess, cluster: Cluster, namespace: str, name: str) -> None:
    """Assert that the operator is still the same process, has its Lease, and completes a Run."""
    began = operator.pid
    apply(cluster, namespace, run_of(name))
    await_phase(cluster, namespace, name, "Completed")
    assert not operator.ended()
    assert operator.pid == began
    assert not [line for line in operator.lines() if "lease" in line["event"] and line["level"] != "info"]


def test_a_run_that_is_nested_too_deeply_is_blocked_alone(
    api_cluster: Cluster, operator: OperatorProcess, namespace: str, tmp_path: Path
) -> None:
    """The Run is Blocked with reason Unreadable, before and after a restart of the operator, named in the log, and can be
    deleted.
    """
    post(api_cluster, namespace, "runs", deep_run("deep"), tmp_path / "deep.json")
    found = await_that(lambda: told(api_cluster, namespace, "deep"), "the status of the Run")
    assert (found["reason"], condition(found, "Healthy")) == ("Unreadable", ("False", "Unreadable"))
    assert "depth limit exceeded" in found["message"]
    unhurt(operator, api_cluster, namespace, "beside")
    rw = Plugin(api_cluster, namespace)
    assert {line.split()[0] for line in rw.ok("get").splitlines()} >= {"deep", "beside"}
    for command in ("describe", "explain"):
        assert "Unreadable" in rw.ok(command, "deep")
    operator.stop(signal.SIGKILL)
    operator.start()
    unhurt(operator, api_cluster, namespace, "afterwards")
    assert unreadable(operator) == {(namespace, "deep", "runs")}
    assert 'runwatchman_unreadable_objects_total{resource="runs"}' in operator.probe("metrics", "metrics")[1]
    api_cluster.kubectl("-n", namespace, "delete", "run", "deep", "--timeout=60s")


def test_large_runs_cost_neither_lease_nor_memory(
    api_cluster: Cluster, operator: OperatorProcess, namespace: str, tmp_path: Path
) -> None:
    """Valid Runs of 1.3 MB are Blocked; a start with a dozen of them, 16 MB in one page, needs a quarter of the chart's memory
    limit.

    A Run with thousands of unknown fields is refused with the first of them.
    """
    before = peak_bytes(operator)
    for number in range(LARGE_RUNS):
        large = run_of(f"large-{number}", {"image": "x", "args": ["x" * LONG_ARGUMENT] * (LARGE_BYTES // LONG_ARGUMENT)})
        post(api_cluster, namespace, "runs", json.dumps(large), tmp_path / "large.json")
    await_that(lambda: len(unreadable(operator)) == LARGE_RUNS, "each Run to be unreadable")
    found = await_that(lambda: told(api_cluster, namespace, "large-0"), "the status of a Run")
    assert (found["phase"], found["reason"]) == ("Blocked", "Unreadable")
    fields = ",".join(f'"x{number}":1' for number in range(UNKNOWN_FIELDS))
    post(api_cluster, namespace, "runs", run_with("misspelt", f'{{"spec":{{{fields}}}}}'), tmp_path / "misspelt.json")
    found = await_that(lambda: told(api_cluster, namespace, "misspelt"), "the status of the Run")
    assert (found["reason"], found["message"].startswith("spec.agents[0].template.spec.x0: ")) == ("SpecRefused", True)
    operator.stop(signal.SIGKILL)
    operator.start()
    unhurt(operator, api_cluster, namespace, "beside")
    assert peak_bytes(operator) - before < 128 * 2**20
    api_cluster.kubectl("-n", namespace, "delete", "runs", "--all", "--wait=false")


def unreadable(operator: OperatorProcess) -> set[tuple[str, str, str]]:
    """Return the objects that the operator's log reports as unreadable."""
    said = [line for line in operator.lines() if line["event"] == "object cannot be read"]
    return {(line["namespace"], line["name"], line["resource"]) for line in said}


def peak_bytes(operator: OperatorProcess) -> int:
    """Return the operator's peak resident memory."""
    lines = Path(f"/proc/{operator.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


@pytest.mark.parametrize("time", ["0001-01-02T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_a_time_that_a_client_wrote_into_a_report_is_not_believed(
    api_cluster: Cluster, operator: OperatorProcess, namespace: str, time: str
) -> None:
    """A timestamp before or after all time neither ends the operator nor makes the agent one that is never silent."""
    apply(api_cluster, namespace, simulated_forever("told"))
    await_phase(api_cluster, namespace, "told", "Running")
    report = forged_report(api_cluster, namespace, time)
    api_cluster.kubectl("-n", namespace, "create", "-f", "-", stdin=json.dumps(report))
    said = json.dumps({"status": report["status"]})
    written = ("patch", "agentreport", "told-coder", "--subresource=status", "--type=merge", "-p", said)
    api_cluster.kubectl("-n", namespace, *written, "--field-manager=somebody-else")
    stamps = {entry["manager"]: entry["time"] for entry in stamped(api_cluster, namespace)}
    assert stamps["runwatchman-reporter"] == time, "the API server has kept what the client wrote"
    unhurt(operator, api_cluster, namespace, "beside")
    operator.stop(signal.SIGKILL)
    operator.start()
    unhurt(operator, api_cluster, namespace, "afterwards")
    assert status(api_cluster, namespace, "told")["agents"][0]["health"] == "Healthy"
    assert condition(status(api_cluster, namespace, "told"), "ProgressReported")[0] != "True"
    assert await_that(lambda: items(api_cluster, namespace, "agentreports"), "the report to be there")


def stamped(cluster: Cluster, namespace: str) -> list[JsonObject]:
    """Return the report's managedFields, which kubectl shows on request."""
    text = cluster.kubectl("-n", namespace, "get", "agentreport", "told-coder", "-o", "json", "--show-managed-fields")
    found: list[JsonObject] = json.loads(text)["metadata"]["managedFields"]
    return found


def forged_report(cluster: Cluster, namespace: str, time: str) -> JsonObject:
    """Return a report for a Run's running pod that carries the times of its own managedFields."""
    run = get(cluster, namespace, "run", "told")
    (pod,) = [p for p in items(cluster, namespace, "pods") if p["metadata"]["name"] == "told-coder-r0"]
    api = "runwatchman.dev/v1alpha1"
    owner = {"apiVersion": api, "kind": "Run", "name": "told", "uid": run["metadata"]["uid"]}
    said: dict[str, Any] = {"attempt": 0, "podUID": pod["metadata"]["uid"], "seq": 9, "intervalSeconds": 60}
    said |= {"activityAgeSeconds": 31_536_000, "progressEvents": 1, "sources": ["Processes"]}
    stamp = {
        "manager": "runwatchman-reporter",
        "operation": "Update",
        "apiVersion": api,
        "time": time,
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:metadata": {"f:labels": {"f:app": {}}}},
        "subresource": "status",
    }
    return {
        "apiVersion": api,
        "kind": "AgentReport",
        "metadata": {"name": "told-coder", "ownerReferences": [owner], "managedFields": [stamp]},
        "spec": {"runName": "told", "runUID": run["metadata"]["uid"], "agent": "coder"},
        "status": said,
    }
