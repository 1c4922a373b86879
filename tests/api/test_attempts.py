"""Attempts at more rights than granted, by real users against the real API server and the operator with its own role.

The operator creates the world and judges the templates; then it ends, so that only an attempt could change the world. An unchanged
world has no new consequences.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from controller.api.base import JsonObject
from controller.api.names import API_VERSION
from tests import users
from tests.api.attempts import (
    ATTEMPTS,
    ELSEWHERE,
    HOME,
    NAMESPACE,
    REPORTER,
    TEMPLATES,
    Attempt,
    By,
    pod,
    response,
    status,
    with_,
)
from tests.api.crossings import CROSSINGS
from tests.api.crossings.forms import owner
from tests.api.forged_requests import escalation, new_report
from tests.api.stolen import BYSTANDER, STOLEN, STRONG, SYSTEM
from tests.api.template_attacks import TRICKS
from tests.cluster import Cluster
from tests.support import OperatorProcess, apply, await_phase, await_that, get, items, policy_of, simulated

KINDS = (
    *(f"/apis/{API_VERSION}/{kind}" for kind in ("runs", "runpolicies", "escalations", "agentreports")),
    *(f"/api/v1/{kind}" for kind in ("pods", "persistentvolumeclaims", "serviceaccounts", "secrets")),
    *(f"/apis/rbac.authorization.k8s.io/v1/{kind}" for kind in ("roles", "rolebindings")),
    "/apis/coordination.k8s.io/v1/leases",
)
"""The paths of everything that an attempt might change. They are read after each write, so not by kubectl."""
REVISION = "/api/v1/namespaces?limit=1"
"""The path of a short list: its version is the revision of the whole store, which each write increases."""
PODS = "/api/v1/pods"
FOREVER, FAILING = "run-forever", "fail"
RESPONDERS = {"users": ["rex"], "bridges": ["bot"]}
RESPONDERS_ELSEWHERE = {"users": ["rhea"], "bridges": ["bo"]}
STRICT = {"restartBudget": 0, "confirmationIntervalSeconds": 1, "responders": RESPONDERS}


PEOPLE = ("author", "tenant", "writer", "rex", "bot", "oda", "eddy", "rhea", "bo")


class World:
    """All the users, and the part of the world that they may not change."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.people: dict[str, Cluster] = {"admin": cluster}
        self.names: dict[str, str] = {}
        self.judged: dict[str, JsonObject] = {}
        self.before: dict[str, JsonObject] = {}
        self.revision = ""

    def do(self, tried: Attempt) -> str:
        """Run the command of a user and return its output."""
        args = [self.spelled(arg) for arg in tried.args]
        stdin = tried.stdin and self.spelled(tried.stdin)
        return self.people[tried.who].kubectl("-n", tried.namespace, *args, stdin=stdin, check=False)

    def spelled(self, text: str) -> str:
        """Return a text with its placeholders replaced by names and UIDs."""
        for name, value in self.names.items():
            text = re.sub(rf"\${re.escape(name)}(?![\w-])", value, text)
        return text

    def state(self) -> dict[str, JsonObject]:
        """Return every object that an attempt might have changed, without fields that change by themselves."""
        listed = ((path, item) for path in KINDS for item in (self.cluster.read(path) or {})["items"])
        ours = [(path, item) for path, item in listed if item["metadata"]["namespace"] in (NAMESPACE, ELSEWHERE, HOME)]
        return {"{0}: {namespace}/{name}".format(path, **item["metadata"]): lasting(item, path) for path, item in ours}

    def changes(self) -> dict[str, JsonObject]:
        """Return the objects that differ from the last look; without a write since then there is nothing to look at."""
        if (revision := self.revision_now()) == self.revision:
            return {}
        self.revision, before, self.before = revision, self.before, self.state()
        return {name: found for name, found in (before | self.before).items() if before.get(name) != self.before.get(name)}

    def revision_now(self) -> str:
        """Return the present revision of everything that the API server stores."""
        return str((self.cluster.read(REVISION) or {})["metadata"]["resourceVersion"])


def lasting(item: JsonObject, path: str) -> JsonObject:
    """Return an object without the API server's bookkeeping; a pod without its node's data."""
    told = {"metadata", "status"} if path == PODS else {"metadata"}
    kept = {key: value for key, value in item.items() if key not in told}
    names = ("uid", "labels", "annotations", "finalizers", "ownerReferences", "deletionTimestamp")
    return kept | {name: item["metadata"].get(name) for name in names}


@pytest.fixture(scope="module")
def world(api_cluster: Cluster) -> Iterator[World]:
    """Runs, an open escalation, reports, and the judged templates; the operator has ended."""
    made = World(api_cluster)
    for namespace in (HOME, NAMESPACE, ELSEWHERE, TEMPLATES):
        api_cluster.kubectl("create", "namespace", namespace)
    meet_people(made)
    with OperatorProcess(made.people["operator"], "--lease-namespace", HOME, "--reporter-image", "x") as operator:
        populate(made)
        judge_templates(made)
        assert not re.search(r"cannot \w+ resource", operator.log.read_text())
    made.changes()
    yield made
    api_cluster.kubectl("delete", "namespace", HOME, NAMESPACE, ELSEWHERE, TEMPLATES, "--wait=false")
    for found in items(api_cluster, NAMESPACE, "pods"):
        release = ("patch", "pod", found["metadata"]["name"], "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
        api_cluster.kubectl("-n", NAMESPACE, *release, check=False)
    api_cluster.kubectl("delete", "clusterrolebinding", f"runwatchman-operator-serviceaccount-{HOME}-operator")


def meet_people(made: World) -> None:
    """Give everybody a certificate or a token, and the roles that they have."""
    cluster = made.cluster
    made.people |= {name: users.person(cluster, name) for name in PEOPLE}
    made.people["advisor"] = users.nobody(cluster)
    for namespace in (NAMESPACE, TEMPLATES):
        users.let_author(cluster, namespace, "--user=author")
        users.grant(cluster, namespace, "view", "--user=author", "--user=oda")
    users.let_author(cluster, ELSEWHERE, "--user=oda")
    users.grant(cluster, ELSEWHERE, "edit", "--user=eddy")
    posed = {"authentication.kubernetes.io/pod-name": "r-coder-r0"}
    account = f"system:serviceaccount:{ELSEWHERE}:{REPORTER}"
    made.people["ghost"] = users.posing(made.people["eddy"], "ghost", account, **posed)
    users.grant(cluster, ELSEWHERE, "runwatchman-edit", "--user=rhea", "--user=bo")
    users.grant(cluster, NAMESPACE, "runwatchman-edit", "--user=writer", "--user=tenant", "--user=rex", "--user=bot")
    cluster.kubectl("-n", NAMESPACE, "create", "role", "pods-only", "--verb=create", "--resource=pods")
    cluster.kubectl("-n", NAMESPACE, "create", "rolebinding", "pods-only", "--role=pods-only", "--user=tenant")
    cluster.kubectl("-n", HOME, "create", "serviceaccount", "operator")
    users.grant(cluster, None, "runwatchman-operator", f"--serviceaccount={HOME}:operator")
    users.grant(cluster, HOME, "runwatchman-operator-lease", f"--serviceaccount={HOME}:operator")
    for where in (NAMESPACE, SYSTEM):
        users.grant(cluster, where, "runwatchman-operator-network", f"--serviceaccount={HOME}:operator")
    made.people["operator"] = users.account(cluster, HOME, "operator")


def populate(made: World) -> None:
    """Create Runs in every state that an attempt could change."""
    cluster, author = made.cluster, made.people["author"]
    apply(cluster, NAMESPACE, policy_of(STRICT))
    apply(cluster, ELSEWHERE, policy_of({}, "lax"), policy_of(STRICT | {"responders": RESPONDERS_ELSEWHERE}))
    cluster.kubectl("-n", NAMESPACE, "create", "secret", "generic", "model-key", "--from-literal=key=x")
    cluster.kubectl("-n", NAMESPACE, "create", "serviceaccount", STRONG)
    apply(cluster, NAMESPACE, pod(BYSTANDER))
    outcomes = {"r": FOREVER, "s": FOREVER, "stopped": FOREVER, "paused": FOREVER, "spent": FAILING}
    desired = {"stopped": "Stopped", "paused": "Paused"}
    runs = [simulated_run(name, outcome, desiredState=desired.get(name, "Running")) for name, outcome in outcomes.items()]
    runs[1]["spec"]["agents"][0]["workspace"] = {}
    apply(author, NAMESPACE, *runs)
    apply(made.people["oda"], ELSEWHERE, simulated_run("r", FOREVER), simulated_run("spent", FAILING))
    for name, phase in (("r", "Running"), ("s", "Running"), ("stopped", "Stopped"), ("paused", "Paused"), ("spent", "Blocked")):
        await_phase(cluster, NAMESPACE, name, phase)
    for name, phase in (("r", "Running"), ("spent", "Blocked")):
        await_phase(cluster, ELSEWHERE, name, phase)
    made.names |= {"r": uid_of(cluster, NAMESPACE, "run", "r"), "there": uid_of(cluster, ELSEWHERE, "run", "r")}
    made.names |= {"blocked": the_escalation(cluster, NAMESPACE), "theirs": the_escalation(cluster, ELSEWHERE)}
    meet_reporters(made)
    fill_inbox(made)


def uid_of(cluster: Cluster, namespace: str, kind: str, name: str) -> str:
    """Return an object's UID."""
    return str(get(cluster, namespace, kind, name)["metadata"]["uid"])


def the_escalation(cluster: Cluster, namespace: str) -> str:
    """Return the name of a namespace's one escalation, once it exists."""
    return str(await_that(lambda: items(cluster, namespace, "escalations"), "the escalation")[0]["metadata"]["name"])


def simulated_run(name: str, outcome: str, **spec: Any) -> JsonObject:
    """Return a Run whose pods get this end from the simulated nodes; it is started although it is to be stopped."""
    made = with_(name, **spec)
    template = simulated(outcome)["template"] | {"spec": pod("x")["spec"]}
    made["spec"]["agents"] = [{"name": "coder", "template": template}]
    return made


def meet_reporters(made: World) -> None:
    """Take the tokens of reporters: of the pods that the operator started, and one that is bound to no pod."""
    cluster, people = made.cluster, made.people
    people["reporter-r"], people["reporter-s"] = (meet_reporter(made, NAMESPACE, run, f"{run}-coder-r0") for run in ("r", "s"))
    people["spy"] = meet_reporter(made, ELSEWHERE, "r", "there-pod")
    people["reporter"] = people["reporter-r"]
    people["loose"], people["drifter"] = (users.account(cluster, each, REPORTER) for each in (NAMESPACE, ELSEWHERE))
    target = ("agentreport/r-coder", "--type=merge", "--subresource=status", "-p")
    honest = made.spelled(json.dumps(status("r-coder-r0", seq=1)))
    people["reporter"].kubectl("-n", NAMESPACE, "patch", *target, honest)


def meet_reporter(made: World, namespace: str, run: str, named: str) -> Cluster:
    """Take the token of a Run's reporter, let it create its report, and store its pod's UID under a name."""
    cluster, pod = made.cluster, f"{run}-coder-r0"
    made.names[named] = uid_of(cluster, namespace, "pod", pod)
    uid = uid_of(cluster, namespace, "run", run)
    report = new_report("coder", {"name": f"{run}-coder", "ownerReferences": owner(uid, name=run)}, runName=run, runUID=uid)
    reporter = users.pod(cluster, namespace, pod)
    reporter.kubectl("-n", namespace, "create", "-f", "-", stdin=json.dumps(report))
    return reporter


def fill_inbox(made: World) -> None:
    """Create an escalation that was answered and one that has expired, of a Run that nobody supervises."""
    for name, phase in (("taken", "Open"), ("expired", "Expired")):
        apply(made.cluster, NAMESPACE, escalation(name, RESPONDERS, type="Blocked"))
        body = json.dumps({"status": {"phase": phase}})
        made.cluster.kubectl("-n", NAMESPACE, "patch", f"escalation/{name}", "--type=merge", "--subresource=status", "-p", body)
    body = json.dumps(response("rex"))
    assert "patched" in made.people["rex"].kubectl("-n", NAMESPACE, "patch", "escalation/taken", "--type=merge", "-p", body)


def judge_templates(made: World) -> None:
    """Let the author create a Run of each template, and wait for the operator's verdict."""
    runs = [with_(f"t{i}", agents=[{"name": "coder", "template": tried}]) for i, (_, tried) in enumerate(TRICKS)]
    listed = {"apiVersion": "v1", "kind": "List", "items": runs}
    made.people["author"].kubectl("-n", TEMPLATES, "create", "-f", "-", stdin=json.dumps(listed))
    await_that(partial(all_judged, made), "the templates to be judged")


def all_judged(made: World) -> bool:
    """Whether each Run of a template has a phase; store their messages."""
    made.judged = {found["metadata"]["name"]: found.get("status", {}) for found in items(made.cluster, TEMPLATES, "runs")}
    return all(found.get("phase") for found in made.judged.values())


@pytest.mark.parametrize("tried", ATTEMPTS + CROSSINGS + STOLEN, ids=str)
def test_the_api_server_refuses(world: World, tried: Attempt) -> None:
    """The expected party refuses the attempt, with its words, and the world is unchanged."""
    said = world.do(tried)
    assert tried.says in said
    assert re.search(tried.by.value, said), f"refused by somebody else: {said[:400]}"
    assert world.changes() == {}


@pytest.mark.parametrize("number", range(len(TRICKS)), ids=lambda number: str(TRICKS[number][0]))
def test_the_operator_refuses(world: World, number: int) -> None:
    """A template that asks for more is refused with the path of the field, and neither pod nor claim is created."""
    tried, found = TRICKS[number][0], world.judged[f"t{number}"]
    assert found["phase"] == "Blocked"
    assert re.search(tried.by.value, f"{found['reason']}: ")
    assert tried.says in found["message"]
    assert tried.args[0] in found["message"]
    assert items(world.cluster, TEMPLATES, "pods,persistentvolumeclaims") == []


def test_the_same_people_can_do_their_work(world: World) -> None:
    """The refusals above are of the attempts and not of their authors: permitted work succeeds."""
    answer = json.dumps(response("bot", onBehalfOf="author"))
    said = json.dumps(status("r-coder-r0", seq=2))
    honest: dict[str, tuple[str, ...]] = {
        "author": ("patch", "run/r", "--type=merge", "-p", '{"spec":{"tokenBudget":9}}'),
        "writer": ("patch", "run/r", "--type=merge", "-p", '{"spec":{"desiredState":"Paused"}}'),
        "tenant": ("patch", "run/r", "--type=merge", "-p", '{"spec":{"restartedAt":{"coder":"2036-01-01T00:00:00Z"}}}'),
        "rex": ("patch", "escalation/$blocked", "--type=merge", "-p", json.dumps(response("rex"))),
        "bot": ("patch", "escalation/$blocked", "--type=merge", "-p", answer),
        "reporter": ("patch", "agentreport/r-coder", "--type=merge", "--subresource=status", "-p", said),
    }
    for who, args in honest.items():
        assert "patched" in world.do(Attempt(who, "work", By.RBAC, "", (*args, "--dry-run=server")))


def test_a_change_of_the_world_is_seen(world: World) -> None:
    """The state that attempts are checked against does change: by a spec, an answer, a new object, the end of one."""
    world.changes()
    for who, args, changed in (
        ("author", ("patch", "run/r", "--type=merge", "-p", '{"spec":{"tokenBudget":8}}'), "runs"),
        ("bot", ("patch", "escalation/$blocked", "--type=merge", "-p", json.dumps(response("bot"))), "escalations"),
        ("admin", ("create", "serviceaccount", "another"), "serviceaccounts"),
        ("admin", ("delete", "serviceaccount", "another"), "serviceaccounts"),
    ):
        world.do(Attempt(who, "work", By.RBAC, "", args))
        assert [name.partition(":")[0].rpartition("/")[2] for name in world.changes()] == [changed]


def test_no_pod_of_another_is_adopted(world: World) -> None:
    """A pod that an author created under the name of an attempt is never adopted: its Run is blocked, the pod is left alone."""
    author = world.people["author"]
    author.kubectl("-n", TEMPLATES, "create", "-f", "-", stdin=json.dumps(pod("mine-coder-r0")))
    before = get(world.cluster, TEMPLATES, "pod", "mine-coder-r0")
    apply(author, TEMPLATES, with_("mine"))
    with OperatorProcess(world.people["operator"], "--lease-namespace", HOME, "--reporter-image", "x"):
        assert await_phase(world.cluster, TEMPLATES, "mine", "Blocked")["reason"] == "NameTaken"
    after = get(world.cluster, TEMPLATES, "pod", "mine-coder-r0")["metadata"]
    assert "ownerReferences" not in after
    assert after["uid"] == before["metadata"]["uid"]


def test_a_namespace_that_is_dropped_unvalidated_changes_nothing(world: World) -> None:
    """With validation off the API server drops the field, so the stored object names no namespace."""
    run = with_("x", policyRef={"name": "lax", "namespace": ELSEWHERE})
    args = ("create", "--dry-run=server", "--validate=ignore", "-o", "json", "-f", "-")
    stored = json.loads(world.people["author"].kubectl("-n", NAMESPACE, *args, stdin=json.dumps(run)))
    assert stored["spec"]["policyRef"] == {"name": "lax"}


def test_the_table_is_large() -> None:
    """There are hundreds of attempts, by every party of the threat model, each with words of its refusal."""
    everything = [*ATTEMPTS, *CROSSINGS, *STOLEN, *(tried for tried, _ in TRICKS)]
    assert len({str(tried) for tried in everything}) == len(everything) >= 250
    assert all(tried.says for tried in everything)
    assert {tried.by for tried in everything} == set(By)
    assert {"author", "writer", "rex", "bot", "reporter", "loose", "advisor", "operator"} <= {tried.who for tried in everything}
