"""The admission policies against real users: people with certificates, service accounts, and pods with tokens of their own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from tests import users
from tests.api.forged_requests import (
    FORGERIES,
    PASSING,
    STATE,
    Try,
    appoint,
    create,
    escalation,
    meta,
    new_report,
    owner,
    phase,
    report,
    requested,
    respond,
    run,
)
from tests.cluster import Cluster
from tests.support import apply, await_that, get

NAMESPACE, ELSEWHERE = "admission", "admission-elsewhere"
REPORTER = "runwatchman-reporter"
PHASES = ("Expired", "Superseded", "Resolved", "Answered", "Delivered")
WRITTEN = ["runs", "escalations", "agentreports", "agentreports/status"]
WRITES = ["get", "create", "update", "patch"]
BROAD: dict[str, Any] = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRole",
    "metadata": {"name": "test-broad"},
    "rules": [
        {"apiGroups": ["runwatchman.dev"], "resources": WRITTEN, "verbs": WRITES},
        {"apiGroups": ["runwatchman.dev"], "resources": ["escalations/status"], "verbs": ["get", "patch"]},
    ],
}
"""All rights that can be granted without making somebody an operator."""

SPOKESMAN: dict[str, Any] = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRole",
    "metadata": {"name": "test-spokesman"},
    "rules": [{"apiGroups": ["runwatchman.dev"], "resources": ["runs"], "verbs": ["requestfor"]}],
}
"""The right to name others as those who asked for a Run."""

PODS = {
    "coder-0": ("r-coder-r0", REPORTER),
    "coder-1": ("r-coder-r1", REPORTER),
    "coder-2": ("r-coder-r2", REPORTER),
    "writer-0": ("r-writer-r0", REPORTER),
    "stray": ("r-stray-r0", "default"),
}


class World:
    """All the users, each with their view of the cluster through kubectl."""

    def __init__(self, cluster: Cluster) -> None:
        self.people: dict[str, Cluster] = {"admin": cluster}
        self.uids: dict[str, str] = {}

    def do(self, tried: Try, *flags: str) -> str:
        """Run the command of a user and return its refusal, empty if it succeeded."""
        args, stdin = tuple(self.spelled(arg) for arg in tried.args), tried.stdin and self.spelled(tried.stdin)
        told = self.people[tried.who].kubectl("-n", NAMESPACE, *args, *flags, stdin=stdin, check=False)
        return told if "rror" in told or "invalid" in told else ""

    def spelled(self, text: str) -> str:
        """Return a text with its placeholders replaced by UIDs."""
        for pod, uid in self.uids.items():
            text = text.replace(f'"${pod}"', f'"{uid}"')
        return text


@pytest.fixture(scope="module")
def world(api_cluster: Cluster) -> Iterator[World]:
    """People, pods, escalations in every phase, a report of attempt 1, and Runs with and without an operator's notes."""
    made = World(api_cluster)
    for namespace in (NAMESPACE, ELSEWHERE):
        api_cluster.kubectl("create", "namespace", namespace)
        api_cluster.kubectl("-n", namespace, "create", "serviceaccount", REPORTER)
    meet_people(api_cluster, made)
    assert not made.do(create("alice", run("r")))
    made.uids["run"] = get(api_cluster, NAMESPACE, "run", "r")["metadata"]["uid"]
    assert not made.do(create("bot", requested("alice") | {"metadata": {"name": "asked"}}))
    assert not made.do(create("admin", run("started", {STATE: '{"version":7}'})))
    assert not made.do(create("admin", run("paused", desired="Paused")))
    start_pods(api_cluster, made)
    fill_inbox(made)
    assert not made.do(create("coder-1", new_report("coder", {"ownerReferences": owner("$run")})))
    assert not made.do(report("coder-1", 1, "coder-1"))
    assert not made.do(respond("alice", "taken"))
    yield made
    for stays in ("escalation/dressed", "pod/gated"):
        assert not made.do(meta("admin", stays, finalizers=None))
    api_cluster.kubectl("delete", "namespace", NAMESPACE, ELSEWHERE)


def meet_people(cluster: Cluster, made: World) -> None:
    """Give everybody a certificate or a token, and the roles that they have."""
    apply(cluster, NAMESPACE, BROAD)
    people: Mapping[str, tuple[str, ...]] = {"alice": ("devs",), "bob": (), "bot": (), "eve": (), "vera": (), "pat": (), "ruth": ()}
    made.people |= {name: users.person(cluster, name, *groups) for name, groups in people.items()}
    for name in ("robot", "operator"):
        cluster.kubectl("-n", NAMESPACE, "create", "serviceaccount", name)
        made.people[name] = users.account(cluster, NAMESPACE, name)
    made.people["reporter"] = users.account(cluster, NAMESPACE, REPORTER)
    editors = ("--user=alice", "--user=bob", "--user=bot", f"--serviceaccount={NAMESPACE}:robot")
    users.let_author(cluster, NAMESPACE, *editors)
    users.grant(cluster, NAMESPACE, "runwatchman-edit", "--user=ruth")
    apply(cluster, NAMESPACE, SPOKESMAN)
    users.grant(cluster, NAMESPACE, "test-spokesman", "--user=bot")
    users.grant(cluster, NAMESPACE, "runwatchman-view", "--user=vera")
    users.grant(cluster, NAMESPACE, "edit", "--user=pat")
    made.people["collector"] = replace(cluster, kubeconfig=cluster.directory / "controller-manager.kubeconfig")
    users.grant(cluster, NAMESPACE, "test-broad", "--user=eve", "--user=system:kube-controller-manager")
    users.grant(cluster, NAMESPACE, "runwatchman-operator", f"--serviceaccount={NAMESPACE}:operator")
    reporters = (f"{NAMESPACE}:{REPORTER}", f"{NAMESPACE}:default", f"{ELSEWHERE}:{REPORTER}")
    users.grant(cluster, NAMESPACE, REPORTER, *(f"--serviceaccount={name}" for name in reporters))


def start_pods(cluster: Cluster, made: World) -> None:
    """Start the pods of attempts, one under another service account, and one of the same name elsewhere; one stays gated."""
    gated = pod_of("gated", "default")
    gated["metadata"] |= {"labels": {"runwatchman.dev/run-uid": "u"}, "finalizers": ["runwatchman.dev/outcome"]}
    gated["spec"] |= {"schedulingGates": [{"name": "runwatchman.dev/admitted"}]}
    at_work = pod_of("r-slow-r0", "default")
    at_work["metadata"] |= {"labels": {"runwatchman.dev/run-uid": "slow"}}
    at_work["spec"] |= {"terminationGracePeriodSeconds": 600}
    apply(cluster, NAMESPACE, gated, at_work, pod_of("other", "default"), *(pod_of(*named) for named in PODS.values()))
    apply(cluster, ELSEWHERE, pod_of("r-coder-r1", REPORTER))
    for who, (name, _) in PODS.items():
        made.people[who] = users.pod(cluster, NAMESPACE, name)
        made.uids[who] = get(cluster, NAMESPACE, "pod", name)["metadata"]["uid"]
    made.people["twin"] = users.pod(cluster, ELSEWHERE, "r-coder-r1")
    made.uids["twin"] = get(cluster, ELSEWHERE, "pod", "r-coder-r1")["metadata"]["uid"]


def fill_inbox(made: World) -> None:
    """Create escalations for each kind of responders and in each phase."""
    dressed = escalation("dressed")
    dressed["metadata"] |= {"labels": {"runwatchman.dev/run-uid": "u"}, "annotations": {"note": "x"}}
    dressed["metadata"] |= {"finalizers": ["example.com/stay"], "ownerReferences": owner("$run")}
    asked = [escalation("users", {"users": ["alice"], "bridges": ["bot"]}), escalation("groups", {"groups": ["devs", "leads"]})]
    owned = escalation("owned")
    owned["metadata"]["ownerReferences"] = owner("$run") + owner("gone")
    asked += [escalation("bridges", {"bridges": ["bot"]}), dressed, owned]
    for name in ("unappointed", "appointed"):
        asked.append(under_no_policy := escalation(name))
        del under_no_policy["spec"]["responders"]
    asked += [escalation(name) for name in ("open", "new", "taken", *(p.lower() for p in PHASES))]
    assert not made.do(create("admin", {"apiVersion": "v1", "kind": "List", "items": asked}))
    for name, to in (("open", "Open"), ("taken", "Open"), *((p.lower(), p) for p in PHASES)):
        assert not made.do(phase("admin", name, to))
    assert not made.do(appoint("admin", "appointed", {"users": ["alice"], "bridges": ["bot"]}))


def pod_of(name: str, account: str) -> dict[str, Any]:
    """Return a pod that runs on a simulated node."""
    spec = {"serviceAccountName": account, "containers": [{"name": "agent", "image": "x"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


@pytest.mark.parametrize("forgery", FORGERIES, ids=str)
def test_forgeries_are_refused(world: World, forgery: Try) -> None:
    """The forgery is refused, with words that name the fault."""
    assert forgery.says in world.do(forgery)


@pytest.mark.parametrize("honest", PASSING, ids=str)
def test_honest_work_passes(world: World, honest: Try) -> None:
    """The daily work of people, agents, the garbage collector and the operator is allowed."""
    flags = () if honest.args[0] == "get" else ("--dry-run=server",)
    assert world.do(honest, *flags) == ""


def test_a_recreated_pod_does_not_speak_for_the_former_one(world: World, api_cluster: Cluster) -> None:
    """The deleted pod's token is invalid, and its successor of the same name cannot report under the earlier UID."""
    name = "r-again-r0"
    apply(api_cluster, NAMESPACE, pod_of(name, REPORTER))
    world.people["former"] = users.pod(api_cluster, NAMESPACE, name)
    world.uids["former"] = get(api_cluster, NAMESPACE, "pod", name)["metadata"]["uid"]
    api_cluster.kubectl("-n", NAMESPACE, "delete", "pod", name, "--force", "--grace-period=0")
    apply(api_cluster, NAMESPACE, pod_of(name, REPORTER))
    world.people["again"] = users.pod(api_cluster, NAMESPACE, name)
    world.uids["again"] = get(api_cluster, NAMESPACE, "pod", name)["metadata"]["uid"]
    assert world.do(create("again", new_report("again", {"ownerReferences": owner("$run")}))) == ""
    assert "You must be logged in" in world.do(report("former", 0, "former", name="r-again"))
    assert "but the pod that reports is" in world.do(report("again", 0, "former", name="r-again"))
    assert world.do(report("again", 0, "again", name="r-again")) == ""


def test_the_right_to_create_pods_counts_in_its_own_namespace_and_at_once(world: World, api_cluster: Cluster) -> None:
    """A pod creator of another namespace has no pods started here; after a grant here, the same Run is accepted."""
    rita = world.people["rita"] = users.person(api_cluster, "rita")
    users.grant(api_cluster, NAMESPACE, "runwatchman-edit", "--user=rita")
    users.let_author(api_cluster, ELSEWHERE, "--user=rita")
    assert "may not create pods in namespace admission" in world.do(create("rita", run("hers")))
    body = json.dumps(run("hers"))
    assert "created" in rita.kubectl("-n", ELSEWHERE, "create", "--dry-run=server", "-f", "-", stdin=body)
    users.grant(api_cluster, NAMESPACE, "test-pod-creator", "--user=rita")
    await_that(lambda: world.do(create("rita", run("hers")), "--dry-run=server") == "", "the right to count")


def test_an_answer_tells_who_gave_it(world: World, api_cluster: Cluster) -> None:
    """One of two answers is accepted, under its giver's name; the other is refused as second."""
    apply(api_cluster, NAMESPACE, escalation("race"))
    assert world.do(respond("bob", "race")) == ""
    assert "response is written once" in world.do(respond("alice", "race"))
    assert get(api_cluster, NAMESPACE, "escalation", "race")["spec"]["response"]["by"] == "bob"


def test_status_writer_is_an_operator_there_and_nowhere_else(world: World, api_cluster: Cluster) -> None:
    """The right, granted in one namespace, makes an operator of that namespace only; it lets its holder answer for no other
    person.
    """
    person = users.person(api_cluster, "olga")
    users.grant(api_cluster, NAMESPACE, "test-broad", "--user=olga")
    users.grant(api_cluster, ELSEWHERE, "test-broad", "--user=olga")
    users.grant(api_cluster, ELSEWHERE, "runwatchman-operator", "--user=olga")
    body = json.dumps(escalation("asked"))
    assert "created" in person.kubectl("-n", ELSEWHERE, "create", "-f", "-", stdin=body)
    assert "only the operator creates" in person.kubectl("-n", NAMESPACE, "create", "-f", "-", stdin=body, check=False)
    said = person.kubectl("-n", ELSEWHERE, *respond("olga", "asked", by="alice").args, check=False)
    assert 'spec.response.by is "alice", but you are "olga"' in said


FAIL_OPEN = {"runwatchman-halts", "runwatchman-clusterhalts"}
"""The policies that let a Run pass if they cannot be evaluated, since the operator holds it back in any case (docs/security.md)."""


def test_every_policy_is_bound_strict_and_understood(api_cluster: Cluster) -> None:
    """Each policy denies, fails closed unless the operator enforces the same, and has no warnings of the type checker, which would
    be errors at the wrong moment.
    """
    listed = json.loads(api_cluster.kubectl("get", "validatingadmissionpolicies,validatingadmissionpolicybindings", "-o", "json"))
    policies = {found["metadata"]["name"]: found for found in listed["items"] if found["kind"] == "ValidatingAdmissionPolicy"}
    bindings = {found["spec"]["policyName"]: found for found in listed["items"] if found["kind"].endswith("Binding")}
    assert len(policies) == 18
    assert {name: binding["spec"]["validationActions"] for name, binding in bindings.items()} == {
        name: ["Deny"] for name in policies
    }
    failures = {name: policy["spec"]["failurePolicy"] for name, policy in policies.items()}
    assert failures == {name: "Ignore" if name in FAIL_OPEN else "Fail" for name in policies}
    for name in policies:
        found = await_that(partial(checked, api_cluster, name), f"policy {name} to be type-checked")
        assert found["typeChecking"] == {}


def checked(cluster: Cluster, policy: str) -> dict[str, Any]:
    """Return a policy's status once its current version was type-checked, empty before."""
    found = json.loads(cluster.kubectl("get", "validatingadmissionpolicy", policy, "-o", "json"))
    status: dict[str, Any] = found.get("status", {})
    return status if status.get("observedGeneration") == found["metadata"]["generation"] else {}


def test_the_garbage_collector_does_its_work(world: World, api_cluster: Cluster) -> None:
    """The real collector removes a deleted owner from an escalation, which no other user may do."""

    def owners() -> list[str]:
        return [found["uid"] for found in get(api_cluster, NAMESPACE, "escalation", "owned")["metadata"]["ownerReferences"]]

    await_that(lambda: owners() == [world.uids["run"]], "the garbage collector to remove the deleted owner")


def test_the_table_is_large() -> None:
    """The table has at least forty forgeries, each with words of its refusal, and none for the requests that must succeed."""
    assert len(FORGERIES) >= 40
    assert all(forgery.says for forgery in FORGERIES)
    assert not any(honest.says for honest in PASSING)
