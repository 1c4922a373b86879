"""The verification of an agent's work on real kubelets: on a copy of its workspace, without its environment."""

from __future__ import annotations

import pytest

from controller.api.base import JsonObject
from tests.cluster import Cluster
from tests.kind.installed import OFTEN, PATIENT, Installed
from tests.plugin import Plugin
from tests.recipe_image import GIT, load_image
from tests.support import answer, apply, await_phase, await_that, get, items, policy_of, run_of, shell

POLICY = policy_of({"restartBudget": 2, "restartCooldownSeconds": 1})
WORK = (
    'if [ "$RUNWATCHMAN_ATTEMPT" = 0 ]; then echo wrong >answer; '
    'else grep -q "expected right" /runwatchman/brief.md && echo right >answer; fi'
)
"""An agent that corrects its work once the brief of its next attempt has the output of the verification."""

CHECK = (
    'touch mine; [ -z "$SECRET_OF_THE_AGENT" ] && [ ! -e /runwatchman/brief.md ] || exit 9; '
    '[ "$(cat answer)" = right ] || { echo "expected right, got $(cat answer)"; exit 3; }'
)
"""A verification that finds nothing of the agent but a copy of its workspace."""


@pytest.fixture(scope="module")
def cloning(release: Installed, kind_cluster: Cluster) -> Installed:
    """The operator with the image that copies workspaces."""
    repository, _, tag = load_image(kind_cluster, GIT).rpartition(":")
    release.run_with(PATIENT, OFTEN, {"git": {"image": {"repository": repository, "tag": tag}}})
    return release


def verified(name: str, work: str, check: str, **verify: object) -> JsonObject:
    """Return a Run whose agent's work in its workspace a script verifies."""
    command: JsonObject = {"command": ["sh", "-c", check], "timeoutSeconds": 120} | verify
    agent = shell(f'cd "$RUNWATCHMAN_WORKSPACE" || exit 9; {work}', workspace={"size": "100Mi"}, verify=command)
    return run_of(name, agent | {"env": [{"name": "SECRET_OF_THE_AGENT", "value": "x"}]})


def test_a_failed_verification_reaches_the_agent(kind_cluster: Cluster, cloning: Installed, namespace: str) -> None:
    """It fails once, its output is in the brief of the restart, and it passes then. What it writes is in its copy only."""
    apply(kind_cluster, namespace, POLICY, verified("fixed", f"{WORK}; [ ! -e mine ]", CHECK))
    found = await_phase(kind_cluster, namespace, "fixed", "Completed")
    (agent,) = found["agents"]
    assert (found["restarts"], agent["attempt"], agent["verification"]) == (1, 1, {"result": "Passed", "attempt": 1, "exitCode": 0})
    condition = next(c for c in found["conditions"] if c["type"] == "Verified")
    assert (condition["status"], condition["reason"]) == ("True", "AllVerified")
    names = sorted(pod["metadata"]["name"] for pod in items(kind_cluster, namespace, "pods"))
    assert names == ["fixed-coder-r0", "fixed-coder-r0-verify0", "fixed-coder-r1", "fixed-coder-r1-verify0"]
    pod = get(kind_cluster, namespace, "pod", "fixed-coder-r0-verify0")
    (judged,) = pod["spec"]["containers"]
    assert "SECRET_OF_THE_AGENT" not in {each["name"] for each in judged["env"]}
    event = next(e for e in items(kind_cluster, namespace, "events") if e["reason"] == "VerificationFailed")
    assert "agent coder, attempt 0: exit code 3: expected right, got wrong" in event["message"]
    assert "fixed-coder-r1-verify0" in Plugin(kind_cluster, namespace).ok("describe", "fixed")


def test_the_same_failure_twice_asks_a_human(kind_cluster: Cluster, cloning: Installed, namespace: str) -> None:
    """The second attempt fails in the same way, with other times in its output: one charge, and an escalation with the output."""
    check = 'echo "1 failed in 0.$(date +%N)s"; exit 1'
    apply(kind_cluster, namespace, POLICY, verified("same", "true", check))
    found = await_phase(kind_cluster, namespace, "same", "Blocked")
    assert (found["reason"], found["restarts"]) == ("VerificationRepeated", 1)
    [asked] = await_that(lambda: items(kind_cluster, namespace, "escalations"), "the escalation")
    assert "1 failed in 0." in asked["spec"]["text"]
    answer(kind_cluster, namespace, asked["metadata"]["name"], "Stop")
    await_phase(kind_cluster, namespace, "same", "Failed")


def test_a_deleted_verification_is_repeated_without_a_charge(kind_cluster: Cluster, cloning: Installed, namespace: str) -> None:
    """Somebody deletes its pod while it works: another try follows, and neither the agent nor its budget is touched."""
    check = "case $HOSTNAME in *verify0) sleep 600;; esac"
    apply(kind_cluster, namespace, POLICY, verified("deleted", "true", check))
    name = "deleted-coder-r0-verify0"
    running = "the first try at work"
    await_that(lambda: get(kind_cluster, namespace, "pod", name).get("status", {}).get("phase") == "Running", running)
    kind_cluster.kubectl("delete", "pod", name, "-n", namespace, "--wait=false")
    found = await_phase(kind_cluster, namespace, "deleted", "Completed")
    assert (found["restarts"], found["agents"][0]["attempt"]) == (0, 0)
    assert get(kind_cluster, namespace, "pod", "deleted-coder-r0-verify1")["status"]["phase"] == "Succeeded"


def test_a_verification_that_hangs_is_a_failure(kind_cluster: Cluster, cloning: Installed, namespace: str) -> None:
    """It is ended at its time limit; the agent is restarted, and the second time a human is asked."""
    apply(kind_cluster, namespace, POLICY, verified("slow", "true", "echo waiting; sleep 600", timeoutSeconds=2))
    found = await_phase(kind_cluster, namespace, "slow", "Blocked")
    assert (found["reason"], found["restarts"]) == ("VerificationRepeated", 1)
    verification = found["agents"][0]["verification"]
    assert verification["message"].endswith("it took longer than 2 s (timeoutSeconds)")
    assert "exitCode" not in verification
