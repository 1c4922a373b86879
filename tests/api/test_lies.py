"""Objects with false owners that the API server accepts: the operator goes by their namespaces.

An admin creates every object here that admission would refuse, so that only the operator protects the victim. The forger knows
every name and UID, and its namespace has a Run of the victim's name. Everything is forged twice: while the operator watches, and
before it is started again, so that it has seen all of that before its first action.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.api.base import JsonObject
from controller.api.names import LABEL_AGENT, LABEL_ATTEMPT, LABEL_RUN, LABEL_RUN_UID, REPORTER_CONTAINER
from tests import users
from tests.api.crossings.forms import owner
from tests.api.forged_requests import escalation, new_report
from tests.chaos.final_state import rows
from tests.cluster import Cluster
from tests.support import OperatorProcess, apply, await_phase, await_that, failing, get, items, policy_of, run_of, simulated

VICTIM, FORGER = "lies-victim", "lies-forger"
REPORTER = "runwatchman-reporter"
KINDS = "runs,pods,escalations,agentreports,persistentvolumeclaims,serviceaccounts,rolebindings"
WORKSPACE: JsonObject = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}


class Stage:
    """The victim's namespace and the forger's, and the operator over both."""

    def __init__(self, cluster: Cluster, store: str) -> None:
        self.cluster, self.store = cluster, store
        options = ("--namespace", VICTIM, "--namespace", FORGER, "--lease-name", VICTIM, "--store", store)
        self.operator = OperatorProcess(cluster, *options, "--reporter-image", "x")
        self.before: dict[str, JsonObject] = {}
        self.decided: list[JsonObject] = []

    def uid(self, run: str) -> str:
        """Return the UID of a victim's Run."""
        return str(get(self.cluster, VICTIM, "run", run)["metadata"]["uid"])

    def world(self) -> dict[str, JsonObject]:
        """Return all objects of the victim, without the API server's bookkeeping."""
        found = {f"{item['kind']}/{item['metadata']['name']}": _lasting(item) for item in items(self.cluster, VICTIM, KINDS)}
        return found | {f"row/{uid}": json.loads(state) for uid, state in rows(self.store).items() if uid in self._uids()}

    def decisions(self) -> list[JsonObject]:
        """Return the operator's logged actions for the victim's Runs so far."""
        return [line for line in self.operator.lines() if line.get("event") == "acted" and line["namespace"] == VICTIM]

    def pass_over(self, namespace: str, run: str, budget: int) -> None:
        """Change a Run so that a pass over it is visible, and wait for that."""
        patch = json.dumps({"spec": {"tokenBudget": budget}})
        self.cluster.kubectl("-n", namespace, "patch", "run", run, "--type=merge", "-p", patch)
        generation = get(self.cluster, namespace, "run", run)["metadata"]["generation"]
        seen = f"a pass over {namespace}/{run}"
        await_that(lambda: get(self.cluster, namespace, "run", run)["status"]["observedGeneration"] == generation, seen)

    def _uids(self) -> set[str]:
        return {str(run["metadata"]["uid"]) for run in items(self.cluster, VICTIM, "runs")}


@pytest.fixture(scope="module")
def stage(api_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A working Run, one with a workspace, one with a question, a Run of the forger's, and all the lies, which the operator has
    seen.
    """
    for namespace in (VICTIM, FORGER):
        api_cluster.kubectl("create", "namespace", namespace)
    made = Stage(api_cluster, f"sqlite:///{tmp_path_factory.mktemp('lies') / Path('state.db')}")
    with made.operator:
        populate(api_cluster)
        made.before, made.decided = made.world(), made.decisions()
        forge(made, "live")
        for namespace, run in ((VICTIM, "r"), (VICTIM, "s"), (FORGER, "r")):
            made.pass_over(namespace, run, 1)
        made.operator.stop()
        forge(made, "listed")
        made.operator.start()
        for namespace, run in ((VICTIM, "r"), (VICTIM, "s"), (FORGER, "r")):
            made.pass_over(namespace, run, 2)
        yield made
        for found in items(api_cluster, FORGER, "pods") + items(api_cluster, VICTIM, "pods"):
            where = ("-n", found["metadata"]["namespace"], "patch", "pod", found["metadata"]["name"])
            api_cluster.kubectl(*where, "--type=merge", "-p", '{"metadata":{"finalizers":null}}', check=False)
    api_cluster.kubectl("delete", "namespace", VICTIM, FORGER, "--wait=false")


def populate(cluster: Cluster) -> None:
    """Create Runs in both namespaces, the victim's r with a report of its own."""
    strict = {"restartBudget": 0, "confirmationIntervalSeconds": 1}
    for namespace in (VICTIM, FORGER):
        apply(cluster, namespace, policy_of(strict), run_of("r", simulated("run-forever")))
    apply(cluster, VICTIM, run_of("s", simulated("run-forever") | {"workspace": {}}), failing("spent"))
    for namespace, name, phase in ((VICTIM, "r", "Running"), (VICTIM, "s", "Running"), (FORGER, "r", "Running")):
        await_phase(cluster, namespace, name, phase)
    await_phase(cluster, VICTIM, "spent", "Blocked")
    await_that(lambda: items(cluster, VICTIM, "escalations"), "the escalation")
    uid = get(cluster, VICTIM, "run", "r")["metadata"]["uid"]
    true = new_report("coder", {"ownerReferences": owner(uid)}, runUID=uid)
    cluster.kubectl("-n", VICTIM, "create", "-f", "-", stdin=json.dumps(true))
    say(cluster, VICTIM, "r-coder", pod_uid(cluster, "r-coder-r0"))
    heard = "the status to say what the true report says"
    await_that(lambda: "NothingReported" not in json.dumps(get(cluster, VICTIM, "run", "r")["status"]), heard)


def forge(made: Stage, when: str) -> None:
    """Create every object that claims to be the victim's, in the forger's namespace."""
    cluster = made.cluster
    own = str(get(cluster, FORGER, "run", "r")["metadata"]["uid"])
    for run in ("r", "s", "spent"):
        uid, name = made.uid(run), f"{when}-{run}"
        forged = [*pods(name, run, uid), *reports(name, run, uid, own), question(name, run, uid), claim(name, run, uid)]
        cluster.kubectl("-n", FORGER, "create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": forged}))
        spoken = pod_uid(cluster, f"{run}-coder-r0")
        for report in ("unowned", "mine"):
            say(cluster, FORGER, f"{name}-{report}", spoken, result={"outcome": "Completed", "summary": "forged"})
        answer = {"spec": {"response": {"decision": "Stop", "by": "admin"}}}
        write(cluster, FORGER, f"escalation/{name}", {"status": {"phase": "Open"}}, "--subresource=status")
        write(cluster, FORGER, f"escalation/{name}", answer)
    speak_as_a_pod(made, when)


def speak_as_a_pod(made: Stage, when: str) -> None:
    """Let a true pod of the reporters' account, created by an editor, report for the victim's Run: admission accepts that."""
    cluster, agent = made.cluster, f"{when}"
    eddy = users.person(cluster, f"editor-{when}")
    users.grant(cluster, FORGER, "edit", f"--user=editor-{when}")
    spec = {"serviceAccountName": REPORTER, "containers": [{"name": "agent", "image": "x"}]}
    apply(eddy, FORGER, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"r-{agent}-r0"}, "spec": spec})
    spy = users.pod(cluster, FORGER, f"r-{agent}-r0")
    uid = made.uid("r")
    forged = new_report(agent, {"ownerReferences": owner(uid)}, runUID=uid)
    assert "created" in spy.kubectl("-n", FORGER, "create", "-f", "-", stdin=json.dumps(forged))


def pods(name: str, run: str, uid: str) -> list[JsonObject]:
    """Pods under the victim's labels: one at its gate, one like the current attempt, one like a future attempt."""
    made: list[JsonObject] = []
    for attempt, gates in ((0, [{"name": "runwatchman.dev/admitted"}]), (0, []), (7, [])):
        labels = {LABEL_RUN: run, LABEL_RUN_UID: uid, LABEL_AGENT: "coder", LABEL_ATTEMPT: str(attempt)}
        meta = {"name": f"{name}-{len(made)}", "labels": labels, "finalizers": ["runwatchman.dev/outcome"]}
        spec = {"schedulingGates": gates, "containers": [{"name": "agent", "image": "x"}]}
        made.append({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})
    return made


def reports(name: str, run: str, uid: str, own: str) -> list[JsonObject]:
    """Reports of the victim's agent: without an owner, and owned by the victim's Run, by the forger's, and by both."""
    owners: dict[str, list[JsonObject]] = {"unowned": [], "theirs": owner(uid, name=run), "mine": owner(own)}
    owners["both"] = [*owner(own), owner(uid, name=run)[0] | {"controller": False}]
    return [
        new_report("coder", {"name": f"{name}-{each}", "ownerReferences": references}, runName=run, runUID=uid)
        for each, references in owners.items()
    ]


def question(name: str, run: str, uid: str) -> JsonObject:
    """An escalation of the victim's Run."""
    made = escalation(name, runName=run, runUID=uid, type="Blocked")
    made["metadata"]["labels"] = {LABEL_RUN: run, LABEL_RUN_UID: uid, LABEL_AGENT: "coder", LABEL_ATTEMPT: "0"}
    return made


def claim(name: str, run: str, uid: str) -> JsonObject:
    """A claim that looks like the workspace of the victim's agent."""
    meta = {"name": f"{name}-workspace", "labels": {LABEL_RUN: run, LABEL_RUN_UID: uid, LABEL_AGENT: "coder"}}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": WORKSPACE}


def say(cluster: Cluster, namespace: str, report: str, pod: str, **status: object) -> None:
    """Write a report's status, as its reporter would."""
    told = {"attempt": 0, "podUID": pod, "seq": 1, "intervalSeconds": 60, "activityAgeSeconds": 0, **status}
    write(
        cluster,
        namespace,
        f"agentreport/{report}",
        {"status": told},
        "--subresource=status",
        f"--field-manager={REPORTER_CONTAINER}",
    )


def write(cluster: Cluster, namespace: str, target: str, body: JsonObject, *flags: str) -> None:
    """Patch an object, unless the garbage collector has deleted it already."""
    cluster.kubectl("-n", namespace, "patch", target, "--type=merge", "-p", json.dumps(body), *flags, check=False)


def pod_uid(cluster: Cluster, name: str) -> str:
    """Return the UID of a victim's pod."""
    return str(get(cluster, VICTIM, "pod", name)["metadata"]["uid"])


def _lasting(item: JsonObject) -> JsonObject:
    """Return an object without the API server's bookkeeping and fields that a pass changes; a pod without its node's data."""
    meta = {key: item["metadata"].get(key) for key in ("uid", "labels", "annotations", "finalizers", "ownerReferences")}
    spec = {key: value for key, value in item.get("spec", {}).items() if key != "tokenBudget"}
    return {"metadata": meta, "spec": spec, "status": {} if item["kind"] == "Pod" else _unnumbered(item.get("status"))}


def _unnumbered(found: object) -> object:
    if isinstance(found, list):
        return [_unnumbered(each) for each in found]
    if isinstance(found, dict):
        return {key: _unnumbered(value) for key, value in found.items() if key not in ("observedGeneration", "plan")}
    return found


def test_the_victim_keeps_everything(stage: Stage) -> None:
    """Runs, pods, claims, questions, reports and rows in the store are unchanged, for any lie."""
    after = stage.world()
    assert {key: after.get(key) for key in stage.before} == stage.before
    assert set(after) == set(stage.before), "no object was added"


def test_no_attempt_was_started_or_ended(stage: Stage) -> None:
    """No decision about a victim's Run was made after the first lie."""
    assert stage.decisions() == stage.decided


def test_the_operator_is_well(stage: Stage) -> None:
    """The operator is ready, and no pass of any Run is retried constantly."""
    assert stage.operator.ready()
    assert not [line for line in stage.operator.lines() if line.get("level") == "error"]


def test_no_lie_was_made_true(stage: Stage) -> None:
    """No forged pod was ungated, and no forged report was given an answer."""
    forged = {pod["metadata"]["name"]: pod for pod in items(stage.cluster, FORGER, "pods")}
    at_the_gate = [pod for name, pod in forged.items() if name.endswith("-0") and name.startswith(("live", "listed"))]
    assert all(pod["spec"].get("schedulingGates") for pod in at_the_gate)
    assert not any(report["spec"].get("deliveries") for report in items(stage.cluster, FORGER, "agentreports"))
