"""The responders to questions while no policy is in force: none, until a policy names them."""

from __future__ import annotations

import json

from tests import users
from tests.api.forged_requests import respond
from tests.cluster import Cluster
from tests.plugin import Plugin, report
from tests.support import OperatorProcess, apply, await_that, get, items, policy_of, simulated_forever

STRICT = policy_of({"responders": {"users": ["rex"]}}, "strict")


def name_policy(cluster: Cluster, namespace: str, name: str) -> None:
    """Let Run demo name a policy, as its author may."""
    cluster.kubectl(
        "-n", namespace, "patch", "run", "demo", "--type=merge", "-p", json.dumps({"spec": {"policyRef": {"name": name}}})
    )


def tries(who: Cluster, namespace: str, user: str, escalation: str) -> str:
    """Answer as a user; return the refusal, empty if it succeeded."""
    said = who.kubectl("-n", namespace, *respond(user, escalation).args, check=False)
    return "" if said.endswith("patched\n") else said


def test_no_policy_makes_nobody_a_responder(api_cluster: Cluster, namespace: str, api_operator: OperatorProcess) -> None:
    """An author who names a missing policy may not answer in the place of its responders.

    The responders of the policy that comes into force answer the questions from before, and no other user does before that.
    """
    author, rex = users.person(api_cluster, "author"), users.person(api_cluster, "rex")
    users.let_author(api_cluster, namespace, "--user=author", "--user=rex")
    demo = simulated_forever("demo")
    demo["spec"]["policyRef"] = {"name": "strict"}
    apply(api_cluster, namespace, STRICT, demo)
    await_that(lambda: get(api_cluster, namespace, "run", "demo").get("status", {}).get("phase") == "Running", "the Run to run")
    name_policy(author, namespace, "nope")
    report(Plugin(api_cluster, namespace), "demo", questions=[{"id": "q1", "text": "Ship it?"}])
    (asked,) = await_that(lambda: items(api_cluster, namespace, "escalations"), "the question to be asked")
    name = asked["metadata"]["name"]
    assert "responders" not in asked["spec"]
    assert "nobody may answer yet" in tries(author, namespace, "author", name)
    assert "nobody yet" in Plugin(api_cluster, namespace, "author").ok("inbox")
    assert "nobody may answer escalation" in Plugin(api_cluster, namespace, "author").error("answer", name, "yes")
    name_policy(author, namespace, "strict")
    await_that(lambda: get(api_cluster, namespace, "escalation", name).get("status", {}).get("phase") == "Open", "it to be opened")
    assert get(api_cluster, namespace, "escalation", name)["status"]["responders"] == {
        "users": ["rex"],
        "groups": [],
        "bridges": [],
    }
    assert "only these may answer: users rex" in tries(author, namespace, "author", name)
    assert tries(rex, namespace, "rex", name) == ""
