"""The recipes of docs/recipes.md that need no kubelet, on a real API server with Kubernetes' own controllers."""

from __future__ import annotations

import pytest

from tests import users
from tests.cluster import Cluster
from tests.cluster.progress import ClusterError
from tests.recipes import of_kind, recipe
from tests.support import (
    OperatorProcess,
    apply,
    await_phase,
    await_that,
    failing,
    get,
    items,
    policy_of,
    run_of,
    simulated,
    simulated_forever,
)

NIGHTLY, ARGO = "A Run each night", "A step of Argo Workflows"
PHASE = "jsonpath={.status.phase}"
GATED = {"schedulingGates": [{"name": "example.com/held"}]}


def test_a_run_each_night(api_cluster: Cluster, api_operator: OperatorProcess, namespace: str) -> None:
    """A Job of the CronJob has the recipe's pod. Its command makes a new Run each time, as the account, under the policy."""
    objects = recipe(NIGHTLY, namespace)
    apply(api_cluster, namespace, *objects)
    api_cluster.kubectl("-n", namespace, "create", "job", "tonight", "--from=cronjob/nightly")
    (pod,) = await_that(lambda: items(api_cluster, namespace, "pods"), "the Job's pod")
    assert (pod["spec"]["serviceAccountName"], pod["metadata"]["labels"]["job-name"]) == ("nightly", "tonight")
    (container,) = pod["spec"]["containers"]
    program, verb, *options = container["command"]
    assert (program, options) == ("kubectl", ["-f", "/runs/run.yaml"])
    nightly = users.account(api_cluster, namespace, "nightly")
    body = of_kind(objects, "ConfigMap")["data"]["run.yaml"]
    names = [nightly.kubectl("-n", namespace, verb, "-f", "-", "-o", "name", stdin=body).strip().rpartition("/")[2] for _ in "12"]
    assert len(set(names)) == len(names)
    done = [await_phase(api_cluster, namespace, name, "Completed") for name in names]
    assert {found["policy"]["name"] for found in done} == {"nightly"}
    assert {found["requestedBy"]["name"] for found in done} == {f"system:serviceaccount:{namespace}:nightly"}
    first, second = sorted(done, key=lambda found: str(found["startTime"]))
    assert first["completionTime"] <= second["startTime"]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("get", "runs"), "cannot list resource"),
        (("delete", "runs", "--all"), "cannot list resource"),
        (("get", "secrets"), "cannot list resource"),
    ],
    ids=" ".join,
)
def test_who_creates_runs_each_night_may_do_no_more(
    api_cluster: Cluster, namespace: str, command: tuple[str, ...], words: str
) -> None:
    """The account reads no Run and no Secret, and deletes none."""
    apply(api_cluster, namespace, *recipe(NIGHTLY, namespace))
    with pytest.raises(ClusterError, match=words):
        users.account(api_cluster, namespace, "nightly").kubectl("-n", namespace, *command)


def test_who_creates_runs_each_night_speaks_for_nobody(api_cluster: Cluster, namespace: str) -> None:
    """Admission refuses another name in requestedBy, with the account's own."""
    objects = recipe(NIGHTLY, namespace)
    apply(api_cluster, namespace, *objects)
    own = f"system:serviceaccount:{namespace}:nightly"
    body = of_kind(objects, "ConfigMap")["data"]["run.yaml"].replace(own, "alice")
    with pytest.raises(ClusterError, match=f'requestedBy is "alice", but you are "{own}"'):
        users.account(api_cluster, namespace, "nightly").kubectl("-n", namespace, "create", "-f", "-", stdin=body)


def test_where_agents_may_go(api_cluster: Cluster, api_operator: OperatorProcess, namespace: str) -> None:
    """The recipe's policy selects the agent's pod and no other. The operator's own does not. The pod has the proxy."""
    rules, policy = recipe("Where agents may go", namespace)
    apply(api_cluster, namespace, rules, policy, run_of("going"))
    await_phase(api_cluster, namespace, "going", "Completed")
    api_cluster.kubectl("-n", namespace, "run", "neighbour", "--image=x")
    (chosen,) = rules["spec"]["podSelector"]["matchExpressions"]
    assert chosen["operator"] == "Exists"
    selected = api_cluster.kubectl("-n", namespace, "get", "pods", "-l", chosen["key"], "-o", "name").split()
    assert selected == ["pod/going-coder-r0"]
    pod = get(api_cluster, namespace, "pod", "going-coder-r0")
    assert "runwatchman.dev/network" not in pod["metadata"]["labels"]
    (agent,) = pod["spec"]["containers"]
    assert {each["name"] for each in agent["env"]} >= {each["name"] for each in policy["spec"]["env"]}


PHASES = {
    "completed": (run_of("completed"), "Completed"),
    "failed": (failing("failed"), "Failed"),
    "stopped": (run_of("stopped", simulated("run-forever"), desiredState="Stopped"), "Stopped"),
    "paused": (run_of("paused", simulated("run-forever"), desiredState="Paused"), "Paused"),
    "running": (simulated_forever("running"), "Running"),
    "blocked": (failing("blocked", policyRef={"name": "asking"}), "Blocked"),
    "queued": (run_of("queued", {"template": {"spec": {**GATED, "containers": [{"name": "agent", "image": "x"}]}}}), "Queued"),
}
"""Runs and the phases that they reach."""


def test_a_step_of_a_workflow_waits_for_the_end(api_cluster: Cluster, api_operator: OperatorProcess, namespace: str) -> None:
    """Each condition is a label selector over the Run's fields: the API server evaluates it for the phase of real Runs."""
    policies = policy_of({"restartBudget": 0, "onBudgetSpent": "Fail"}), policy_of({"restartBudget": 0}, "asking")
    apply(api_cluster, namespace, *policies, *(run for run, _ in PHASES.values()))
    for name, (_, phase) in PHASES.items():
        found = await_phase(api_cluster, namespace, name, phase)
        api_cluster.kubectl("-n", namespace, "label", "run", name, f"status.phase={found['phase']}")
    (template,) = of_kind(recipe(ARGO, namespace), "Workflow")["spec"]["templates"]
    step = template["resource"]

    def matching(selector: str) -> set[str]:
        printed = api_cluster.kubectl("-n", namespace, "get", "runs", "-l", selector, "-o", "name")
        return {line.rpartition("/")[2] for line in printed.split()}

    assert matching(step["successCondition"]) == {"completed"}
    assert matching(step["failureCondition"]) == {"failed", "stopped"}


def test_a_step_of_a_workflow_has_its_rights(api_cluster: Cluster, api_operator: OperatorProcess, namespace: str) -> None:
    """With the recipe's role the template's Run is created and read until it is Completed, with its output. None is listed."""
    objects = recipe(ARGO, namespace)
    (template,) = of_kind(objects, "Workflow")["spec"]["templates"]
    apply(api_cluster, namespace, *(each for each in objects if each["kind"] != "Workflow"))
    workflow = users.account(api_cluster, namespace, "workflow")
    action, manifest = template["resource"]["action"], template["resource"]["manifest"]
    name = workflow.kubectl("-n", namespace, action, "-f", "-", "-o", "name", stdin=manifest).strip()
    await_that(lambda: workflow.kubectl("-n", namespace, "get", name, "-o", PHASE) == "Completed", "the Run's end")
    (output,) = template["outputs"]["parameters"]
    assert workflow.kubectl("-n", namespace, "get", name, "-o", f"jsonpath={output['valueFrom']['jsonPath']}") == ""
    with pytest.raises(ClusterError, match="cannot list resource"):
        workflow.kubectl("-n", namespace, "get", "runs")
