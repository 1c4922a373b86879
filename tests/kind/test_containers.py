"""Containers beside an agent, and pods whose agent never runs, on real kubelets. The Runs are applied side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from controller.api.base import JsonObject
from controller.api.names import pod_name
from tests.cluster import Cluster
from tests.kind.installed import Installed
from tests.plugin import Plugin
from tests.support import apply, await_phase, await_that, get, items, policy_of, run_of, status

FAULTS = Path(__file__).parent.parent / "unit/data/faults"
IMAGE = "busybox:1.37"
POLICY: JsonObject = {
    "restartBudget": 1,
    "restartCooldownSeconds": 1,
    "health": {"pendingStalledSeconds": 60},
    "outcomes": [{"exitCodes": [128], "reasons": ["InitContainerFailed"], "action": "Fail"}],
}
"""Short times. A failed init container with this exit code ends its Run."""

BY_HAND = "nobody"
"""A scheduler that does not exist: the test binds the pod."""


def documents(name: str, kind: str = "Run") -> list[JsonObject]:
    """Return the objects of a fault's file."""
    return [found for found in yaml.safe_load_all((FAULTS / name).read_text()) if found["kind"] == kind]


def beside(name: str, script: str, **spec: Any) -> JsonObject:
    """Return a Run whose agent runs a script beside a helper that runs on."""
    helper = {"name": "browser", "image": IMAGE, "command": ["sh", "-c", "while :; do sleep 0.2; done"]}
    agent = {"name": "agent", "image": IMAGE, "command": ["sh", "-c", script]}
    pod = {"terminationGracePeriodSeconds": 1, "containers": [helper, agent], **spec}
    return run_of(name, {"name": "coder", "template": {"spec": pod}})


def test_helpers_that_run_on(kind_cluster: Cluster, reporting: Installed, namespace: str) -> None:
    """An agent's own end decides beside a helper: exit 0 and a result complete the Run, a crash is charged and restarted.

    The end is recorded before the pod is ended, the helper is ended with the pod, and no attempt begins before that.
    """
    sidecar = {"name": "proxy", "image": IMAGE, "command": ["sh", "-c", "exec sleep 3600"], "restartPolicy": "Always"}
    once = 'if [ "$RUNWATCHMAN_ATTEMPT" = 0 ]; then echo cannot compile >&2; exit 3; fi'
    apply(
        kind_cluster,
        namespace,
        policy_of(POLICY),
        *documents("neighbour-runs-on.yaml")[:2],
        beside("crashing", once),
        beside("saying", "rw done shipped; exit 3"),
        beside("sidecar", "exit 0", initContainers=[sidecar]),
    )
    for name in ("helper-idle", "helper-result", "sidecar", "saying"):
        found = await_phase(kind_cluster, namespace, name, "Completed")
        assert found["restarts"] == 0, (name, found)
    results = {name: status(kind_cluster, namespace, name)["agents"][0]["result"] for name in ("helper-result", "saying")}
    assert {name: result["summary"] for name, result in results.items()} == {"helper-result": "shipped", "saying": "shipped"}
    found = await_phase(kind_cluster, namespace, "crashing", "Completed")
    assert (found["restarts"], found["agents"][0]["attempt"]) == (1, 1)
    first, second = (get(kind_cluster, namespace, "pod", pod_name("crashing", "coder", attempt)) for attempt in (0, 1))
    ends = {c["name"]: c["state"]["terminated"] for c in first["status"]["containerStatuses"]}
    assert ends["agent"]["exitCode"] == 3
    assert ends["browser"]["exitCode"] != 0
    assert ends["browser"]["finishedAt"] <= second["status"]["startTime"]


def test_agents_that_never_run(kind_cluster: Cluster, kind_operator: Installed, namespace: str) -> None:
    """A failed init container and a kubelet's rejection are outcomes with their exit code, reason, charge and words."""
    [cloned] = documents("init-container-fails.yaml")
    cloned["metadata"].pop("namespace")
    huge = {"name": "agent", "image": IMAGE, "command": ["true"], "resources": {"requests": {"cpu": "1000"}}}
    rejected = run_of("rejected", {"name": "coder", "template": {"spec": {"schedulerName": BY_HAND, "containers": [huge]}}})
    apply(kind_cluster, namespace, policy_of(POLICY), cloned, rejected)
    bind(kind_cluster, namespace, "rejected-coder-r0")

    found = await_phase(kind_cluster, namespace, "cloned", "Failed")
    assert found["reason"] == "AgentFailed"
    assert "InitContainerFailed: init container clone: exit code 128: fatal: repository not found" in found["message"]
    assert found["operatorState"]["agents"]["coder"]["outcome"]["exitCode"] == 128
    plugin = Plugin(kind_cluster, namespace)
    assert "init container clone: exit code 128" in plugin.ok("describe", "cloned")
    code, out, err = plugin.process("logs", "cloned")
    assert (code, out.strip()) == (0, "fatal: repository not found"), err
    assert "this is the log of init container clone" in err

    await_that(lambda: agent(kind_cluster, namespace, "rejected").get("attempt") == 1, "the next attempt")
    record = status(kind_cluster, namespace, "rejected")["operatorState"]["agents"]["coder"]
    assert (record["lastOutcome"], record["freeRestarts"], record["restarts"]) == ("PodRejected", 1, 0)
    assert get(kind_cluster, namespace, "pod", "rejected-coder-r0")["status"]["reason"] == "OutOfcpu"
    assert "ended without running: OutOfcpu: Pod was rejected" in " ".join(plugin.ok("describe", "rejected").split())


def bind(cluster: Cluster, namespace: str, name: str) -> None:
    """Bind a pod to a node as a scheduler that does not look at the node's resources would."""

    def ungated() -> bool:
        found = [pod for pod in items(cluster, namespace, "pods") if pod["metadata"]["name"] == name]
        return any("schedulingGates" not in pod["spec"] for pod in found)

    await_that(ungated, "the ungated pod")
    node = json.loads(cluster.kubectl("get", "nodes", "-o", "json"))["items"][-1]["metadata"]["name"]
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": {"kind": "Node", "name": node}}
    path = f"/api/v1/namespaces/{namespace}/pods/{name}/binding"
    cluster.kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(binding))


def agent(cluster: Cluster, namespace: str, run: str) -> JsonObject:
    """Return the status of the Run's only agent, empty before there is one."""
    found: JsonObject = next(iter(status(cluster, namespace, run).get("agents", ())), {})
    return found
