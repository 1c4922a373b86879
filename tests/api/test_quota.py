"""The example of a quota and limits for a namespace with Runs, on a real API server with its quota controller and admission."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from controller.api.base import JsonObject
from tests.api.forged_requests import escalation, new_report, run
from tests.cluster import Cluster
from tests.cluster.processes import wait_until
from tests.support import OperatorProcess, apply, await_phase, await_that, get, items, policy_of, run_of

EXAMPLE = Path(__file__).parents[2] / "manifests/examples/quota/team.yaml"
KINDS: dict[str, JsonObject] = {
    "count/runs.runwatchman.dev": run("one-more"),
    "count/escalations.runwatchman.dev": escalation("one-more"),
    "count/agentreports.runwatchman.dev": new_report("coder", runUID="u"),
    "persistentvolumeclaims": {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "one-more"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    },
    "pods": {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "one-more"},
        "spec": {"containers": [{"name": "agent", "image": "x", "resources": {"requests": {"cpu": "1m"}}}]},
    },
}
"""The kinds that the example counts, with one object of each."""

COUNTED_SECONDS = 10
"""Longer than a quota of known kinds takes to be counted."""


def quota_of(**hard: object) -> tuple[JsonObject, JsonObject]:
    """Return the example's ResourceQuota and LimitRange; `hard` replaces the figures."""
    quota, limits = yaml.safe_load_all(EXAMPLE.read_text())
    quota["spec"]["hard"] = hard or quota["spec"]["hard"]
    return quota, limits


def enforce(cluster: Cluster, namespace: str, *objects: JsonObject) -> None:
    """Apply the example and wait until it is counted.

    The controller finds new kinds every half minute, and recounts an older quota only after minutes.
    """

    def enforced() -> bool:
        cluster.kubectl("-n", namespace, "delete", "resourcequota", "runwatchman", "--ignore-not-found")
        apply(cluster, namespace, *objects)
        return wait_until(lambda: in_force(cluster, namespace) is not None, COUNTED_SECONDS)

    await_that(enforced, "the quota to be counted")


def in_force(cluster: Cluster, namespace: str) -> JsonObject | None:
    """Return the quota's counts once the controller has counted all kinds."""
    found = get(cluster, namespace, "resourcequota", "runwatchman")
    used: JsonObject = found.get("status", {}).get("used", {})
    return used if set(used) == set(found["spec"]["hard"]) else None


def test_a_run_within_the_example_completes_and_is_counted(api_cluster: Cluster, namespace: str) -> None:
    """A Run without resources gets the example's, completes under the quota, and is counted with its pod and claim."""
    enforce(api_cluster, namespace, *quota_of())
    with OperatorProcess(api_cluster, "--namespace", namespace, "--reporter-image", "x"):
        apply(api_cluster, namespace, run_of("small", {"workspace": {}}))
        await_phase(api_cluster, namespace, "small", "Completed")
    (pod,) = items(api_cluster, namespace, "pods")
    assert {name: box["resources"]["limits"]["memory"] for name, box in boxes(pod).items()} == {
        "agent": "2Gi",
        "runwatchman-reporter": "64Mi",
    }
    used = await_that(lambda: counted(api_cluster, namespace), "the Run and its claim to be counted")
    assert used["requests.storage"] == "10Gi"


def boxes(pod: JsonObject) -> dict[str, JsonObject]:
    """Return a pod's containers by name."""
    return {box["name"]: box for box in [*pod["spec"]["containers"], *pod["spec"].get("initContainers", [])]}


def counted(cluster: Cluster, namespace: str) -> JsonObject | None:
    """Return the used amounts once a Run and a claim are counted."""
    used = get(cluster, namespace, "resourcequota", "runwatchman")["status"]["used"]
    return used if (used["count/runs.runwatchman.dev"], used["persistentvolumeclaims"]) == ("1", "1") else None


@pytest.mark.parametrize("counted", KINDS)
def test_what_is_over_the_quota_is_refused(api_cluster: Cluster, namespace: str, counted: str) -> None:
    """For each kind that the example counts, one object too many is refused, with the quota's words."""
    assert counted in quota_of()[0]["spec"]["hard"]
    enforce(api_cluster, namespace, *quota_of(**{counted: 0}))
    said = api_cluster.kubectl("-n", namespace, "create", "-f", "-", stdin=json.dumps(KINDS[counted]), check=False)
    assert "exceeded quota: runwatchman" in said
    assert f"limited: {counted}=0" in said


def test_a_workspace_over_the_limit_is_told_of(api_cluster: Cluster, namespace: str) -> None:
    """A claim over the example's largest is refused by the LimitRange, and the Run reports it."""
    apply(api_cluster, namespace, quota_of()[1], policy_of({"workspaceMaxSize": "1Ti"}))
    with OperatorProcess(api_cluster, "--namespace", namespace):
        apply(api_cluster, namespace, run_of("large", {"workspace": {"size": "200Gi"}}))
        told = await_that(lambda: refusal(api_cluster, namespace), "the refusal in the status")
    assert "maximum storage usage per PersistentVolumeClaim is 100Gi" in told


def refusal(cluster: Cluster, namespace: str) -> str:
    """Return the message of a Run that waits because of the API server's refusal, empty before."""
    found: JsonObject = get(cluster, namespace, "run", "large").get("status", {})
    return str(found.get("message", "")) if found.get("reason") == "PodRefused" else ""
