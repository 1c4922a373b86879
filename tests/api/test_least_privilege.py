"""The operator with the shipped role only: its daily work needs no more."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from controller.api.base import JsonObject
from tests import users
from tests.cluster import Cluster
from tests.support import OperatorProcess, answer, apply, await_phase, await_that, get, items, policy_of, run_of, simulated

HOME = "least-privilege"
STATE = "runwatchman.dev/operator-state"
QUICK = policy_of({"restartBudget": 1, "restartCooldownSeconds": 0, "confirmationIntervalSeconds": 1})


FAILING, FOREVER = simulated("fail"), simulated("run-forever")


@pytest.fixture(scope="module")
def account(api_cluster: Cluster) -> Cluster:
    """The cluster as the operator's service account sees it."""
    return users.operator_account(api_cluster, HOME)


@pytest.fixture(scope="module", params=["status", "annotations"])
def operator(request: pytest.FixtureRequest, account: Cluster) -> Iterator[OperatorProcess]:
    """The operator under that account, with each store that lives in the cluster, and with reporters for its agents."""
    with OperatorProcess(account, "--lease-namespace", HOME, "--store", request.param, "--reporter-image", "x") as process:
        yield process


def test_an_operator_of_one_namespace(api_cluster: Cluster, namespace: str) -> None:
    """Bound in one namespace only, and set to watch it, the operator lacks no right there.

    This test comes first: no other operator of this file runs yet.
    """
    home = f"{namespace}-home"
    local = users.operator_account(api_cluster, home, namespace)
    options = ("--namespace", namespace, "--lease-namespace", home, "--reporter-image", "x")
    with OperatorProcess(local, *options) as operator:
        apply(api_cluster, namespace, run_of("local", {"workspace": {}}))
        await_phase(api_cluster, namespace, "local", "Completed")
        assert get(api_cluster, namespace, "rolebinding", "runwatchman-reporter")["roleRef"]["name"] == "runwatchman-reporter"
        api_cluster.kubectl("-n", namespace, "delete", "run", "local")
        await_that(lambda: not items(api_cluster, namespace, "pods"), "its pods to be deleted")
        assert nothing_was_forbidden(operator)
    api_cluster.kubectl("delete", "namespace", home, "--wait=false")


def test_a_run_with_a_workspace_completes_and_goes(api_cluster: Cluster, operator: OperatorProcess, namespace: str) -> None:
    """From claim to TTL nothing is forbidden: the Run completes, has an Event, and is deleted when its time is over."""
    apply(api_cluster, namespace, run_of("whole", {"workspace": {}}, ttlSecondsAfterFinished=3))
    await_phase(api_cluster, namespace, "whole", "Completed")
    await_that(lambda: items(api_cluster, namespace, "events"), "the Event")
    await_that(lambda: not get(api_cluster, namespace, "run", "whole"), "the Run to be deleted after its TTL")
    assert nothing_was_forbidden(operator)


def test_a_crash_is_restarted_then_escalated_and_answered(api_cluster: Cluster, operator: OperatorProcess, namespace: str) -> None:
    """A failing agent is restarted once; then its author is asked, answers, and the Run ends as answered."""
    editor = users.person(api_cluster, f"editor-{namespace}")
    users.let_author(api_cluster, namespace, f"--user=editor-{namespace}")
    apply(api_cluster, namespace, QUICK)
    apply(editor, namespace, run_of("crashing", FAILING))
    found = await_phase(api_cluster, namespace, "crashing", "Blocked")
    assert (found["reason"], found["restarts"]) == ("RestartBudgetSpent", 1)
    asked = await_that(lambda: items(editor, namespace, "escalations"), "the escalation")
    answer(editor, namespace, asked[0]["metadata"]["name"], "Stop")
    assert await_phase(api_cluster, namespace, "crashing", "Failed")["reason"] == "StopOrdered"
    told = await_that(lambda: resolved(editor, namespace), "the escalation resolved")
    assert told["spec"]["response"]["by"] == f"editor-{namespace}"
    assert nothing_was_forbidden(operator)


def test_every_kind_of_deletion_is_allowed(api_cluster: Cluster, operator: OperatorProcess, namespace: str) -> None:
    """The pod of a paused Run is ended, that of a deleted Run is released, a deleted pod of a running one is replaced."""
    apply(api_cluster, namespace, run_of("stays", FOREVER))
    await_phase(api_cluster, namespace, "stays", "Running")
    api_cluster.kubectl("-n", namespace, "delete", "pod", "stays-coder-r0", "--wait=false")
    await_that(lambda: get(api_cluster, namespace, "pod", "stays-coder-r1"), "the successor")
    await_phase(api_cluster, namespace, "stays", "Running")
    api_cluster.kubectl("-n", namespace, "patch", "run", "stays", "--type=merge", "-p", '{"spec":{"desiredState":"Paused"}}')
    await_phase(api_cluster, namespace, "stays", "Paused")
    api_cluster.kubectl("-n", namespace, "delete", "run", "stays")
    await_that(lambda: not items(api_cluster, namespace, "pods"), "its pods to be deleted")
    assert nothing_was_forbidden(operator)


def test_a_replaced_run_loses_nothing(api_cluster: Cluster, operator: OperatorProcess, namespace: str) -> None:
    """`kubectl replace` with a file that lacks the operator's annotations is refused if the Run has some, and harmless
    otherwise.
    """
    editor = users.person(api_cluster, f"editor-{namespace}")
    users.let_author(api_cluster, namespace, f"--user=editor-{namespace}")
    apply(api_cluster, namespace, run_of("noted", FOREVER))
    await_phase(api_cluster, namespace, "noted", "Running")
    said = editor.kubectl("-n", namespace, "replace", "-f", "-", stdin=json.dumps(run_of("noted", FOREVER)), check=False)
    noted = STATE in get(api_cluster, namespace, "run", "noted")["metadata"].get("annotations", {})
    assert ("kubectl replace erases" in said, "replaced" in said) == (noted, not noted)
    api_cluster.kubectl("-n", namespace, "patch", "run", "noted", "--type=merge", "-p", '{"spec":{"desiredState":"Stopped"}}')
    assert await_phase(api_cluster, namespace, "noted", "Stopped", "Blocked")["phase"] == "Stopped"


def resolved(cluster: Cluster, namespace: str) -> JsonObject | None:
    """Return the namespace's one escalation once it is resolved."""
    found = items(cluster, namespace, "escalations")[0]
    return found if found["status"]["phase"] == "Resolved" else None


def nothing_was_forbidden(operator: OperatorProcess) -> bool:
    """Whether the operator and its kopf never lacked a right, by the words of RBAC's and our policies' refusals.

    Status 403 proves nothing: a create in a namespace that is just being deleted gets it too.
    """
    return not re.search(r"cannot \w+ resource|ValidatingAdmissionPolicy", operator.log.read_text())
