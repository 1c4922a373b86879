"""Restarts, budgets and escalations on real kubelets, with every store: all stories are applied at once, and each test checks
one.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import pytest

from controller.api.base import JsonObject
from controller.api.names import LABEL_RUN_UID
from tests.cluster import IN_TIME
from tests.kind.each_store import STORES
from tests.kind.installed import Installed
from tests.kind.stage import LONG, Stage
from tests.skipping import cannot_run
from tests.support import answer, apply, await_that, get, pods_of, policy_of, run_of, shell

FOREVER = "while :; do sleep 0.2; done"
POLITE = f"trap 'exit 0' TERM; {FOREVER}"
COOLDOWN = 3
KUBELET_SECONDS = 45
"""The time in which a busy kubelet has tried to pull an image and reported the result."""
POLICIES: dict[str, JsonObject] = {
    "default": {"restartCooldownSeconds": COOLDOWN, "confirmationIntervalSeconds": 1},
    "one": {"restartCooldownSeconds": COOLDOWN, "confirmationIntervalSeconds": 1, "restartBudget": 1},
    "none": {"restartCooldownSeconds": 1, "restartBudget": 0},
    "impatient": {"confirmationIntervalSeconds": 1, "health": {"pendingStalledSeconds": KUBELET_SECONDS}},
}
CRASHING = shell('echo "after $RUNWATCHMAN_LAST_OUTCOME"; sleep 1; [ "$RUNWATCHMAN_ATTEMPT" -ge 2 ]')
STEADY = shell(POLITE, name="steady", required=False)
HANG = (
    f'trap "" TERM; touch /workspace/ok; until [ -e /workspace/probed ]; do sleep 0.2; done; sleep 3; rm /workspace/ok; {FOREVER}'
)
PROBE = {
    "exec": {"command": ["sh", "-c", "[ -e /workspace/ok ] && touch /workspace/probed"]},
    "periodSeconds": 1,
    "timeoutSeconds": 10,
    "failureThreshold": 1,
}
PROBED = {
    "name": "agent",
    "image": "busybox:1.37",
    "command": ["sh", "-c", f'[ "$RUNWATCHMAN_ATTEMPT" = 0 ] || exit 0; echo hanging; {HANG}'],
    "readinessProbe": PROBE,
}
GREEDY = shell(
    'trap "" USR1; [ "$RUNWATCHMAN_ATTEMPT" = 0 ] || sleep 100; x=a; while :; do x=$x$x; done',
    resources={"limits": {"memory": "32Mi"}},
)

STORIES: dict[str, tuple[str, list[JsonObject]]] = {
    "twice": ("default", [CRASHING, STEADY]),
    "spent": ("one", [shell("echo no compiler; exit 3")]),
    "hung": ("default", [{"template": {"spec": {"terminationGracePeriodSeconds": 2, "containers": [PROBED]}}}]),
    "oom": ("none", [GREEDY]),
    "nope": ("impatient", [{"image": "localhost/nobody/has:1"}]),
    "again": ("none", [shell(f'trap "exit 143" TERM; [ "$RUNWATCHMAN_ATTEMPT" = 1 ] && exit 0; {FOREVER}')]),
    "drained": ("none", [shell(POLITE)]),
    "gone": ("none", [shell(POLITE)]),
}


@pytest.fixture(scope="module")
def played(no_operator: None, store_releases: dict[str, Installed]) -> Iterator[dict[str, Installed]]:
    """An operator with each store, and every story's Run under each of them, all at once."""
    runs = [run_of(name, *agents, policyRef={"name": policy}) for name, (policy, agents) in STORIES.items()]
    for installed in store_releases.values():
        policies = (policy_of(spec, name) for name, spec in POLICIES.items())
        apply(installed.cluster, installed.release, *policies, *runs)
    yield store_releases
    for installed in store_releases.values():
        installed.clear()


@pytest.fixture(scope="module", params=STORES)
def stage(request: pytest.FixtureRequest, played: dict[str, Installed]) -> Stage:
    """The stage of the stories of one store."""
    if request.param not in played:
        cannot_run("needs a database that pods reach: on nodes of our own they reach this machine's")
    installed = played[request.param]
    return Stage(installed.cluster, installed.release)


def test_one_of_two_agents_crashes_twice(stage: Stage) -> None:
    """Two restarts, the first at once, the second after the cooldown; the other agent is not touched; the Run completes."""
    found = stage.phase("twice", "Completed")
    assert (found["restarts"], found["agents"][0]["attempt"]) == (2, 2)
    assert list(pods_of(stage.cluster, stage.namespace, "twice-steady")) == ["twice-steady-r0"]
    pods = pods_of(stage.cluster, stage.namespace, "twice-coder")
    assert list(pods) == ["twice-coder-r0", "twice-coder-r1", "twice-coder-r2"]
    assert seconds_between(created(pods["twice-coder-r1"]), created(pods["twice-coder-r2"])) >= COOLDOWN
    assert stage.cluster.kubectl("-n", stage.namespace, "logs", "twice-coder-r1").strip() == "after NonZeroExit"


def test_a_spent_budget_asks_and_retry_starts_exactly_one(stage: Stage) -> None:
    """With the budget spent a human is asked and no attempt starts; Retry starts one attempt, uncharged, and then asks again."""
    found = stage.phase("spent", "Blocked")
    [first] = stage.asked("spent")
    assert (found["reason"], found["restarts"], found["openEscalations"]) == ("RestartBudgetSpent", 1, 1)
    assert "no compiler" in first["spec"]["text"]
    decide(stage, first, "Retry")
    await_that(lambda: phase_of(stage, first) == "Resolved", "the first escalation resolved", LONG)
    [second] = stage.asked("spent")
    assert second["metadata"]["name"] != first["metadata"]["name"]
    assert list(pods_of(stage.cluster, stage.namespace, "spent-coder")) == [f"spent-coder-r{n}" for n in range(3)]
    assert stage.phase("spent", "Blocked")["restarts"] == 1
    decide(stage, second, "Stop")
    assert stage.phase("spent", "Failed")["reason"] == "StopOrdered"
    await_that(lambda: phase_of(stage, second) == "Resolved", "the second escalation resolved", LONG)


def test_a_hung_agent_is_gone_before_its_successor_starts(stage: Stage) -> None:
    """An agent that fails its probe and ignores SIGTERM is killed before it is restarted; its logs stay readable."""
    assert stage.phase("hung", "Completed")["restarts"] == 1
    pods = pods_of(stage.cluster, stage.namespace, "hung-coder")
    assert ended(pods["hung-coder-r0"]) <= created(pods["hung-coder-r1"])
    assert pods["hung-coder-r0"]["status"]["reason"] == "DeadlineExceeded"
    assert stage.cluster.kubectl("-n", stage.namespace, "logs", "hung-coder-r0").strip() == "hanging"


def test_out_of_memory_is_told(stage: Stage) -> None:
    """An agent over its memory limit, without a budget: a human is asked, and the status has the cause."""
    found = stage.phase("oom", "Blocked")
    assert "OOMKilled" in found["message"] or "exit code 137: killed by SIGKILL, which may mean out of memory" in found["message"]


def test_an_image_that_cannot_be_pulled_is_escalated_and_heals(stage: Stage) -> None:
    """The agent is not restarted; a human is asked with the kubelet's message; Wait is honoured once; Stop ends it."""
    found = stage.phase("nope", "Blocked")
    assert (found["reason"], found["restarts"], found["agents"][0]["health"]) == ("PendingStalled", 0, "PendingStalled")
    [asked] = stage.asked("nope")
    assert "localhost/nobody/has:1" in asked["spec"]["text"]
    decide(stage, asked, "Wait")
    await_that(lambda: phase_of(stage, asked) == "Resolved", "the answer honoured", LONG)
    assert stage.phase("nope", "Blocked")
    assert list(pods_of(stage.cluster, stage.namespace, "nope-coder")) == ["nope-coder-r0"]


def test_a_manual_restart_is_not_charged(stage: Stage) -> None:
    """A new time in spec.restartedAt ends the agent and starts its next attempt, once, without using the budget."""
    stage.phase("again", "Running")
    asked = '{"spec":{"restartedAt":{"coder":"2026-01-01T00:00:00Z"}}}'
    stage.cluster.kubectl("-n", stage.namespace, "patch", "run", "again", "--type=merge", "-p", asked)
    found = stage.phase("again", "Completed")
    assert (found["restarts"], found["agents"][0]["attempt"]) == (0, 1)


@pytest.mark.usefixtures("second_node")
def test_a_drain_restarts_elsewhere_uncharged(stage: Stage) -> None:
    """`kubectl drain` ends within its time; the agent continues on another node without a charge."""
    stage.phase("drained", "Running")
    pod = get(stage.cluster, stage.namespace, "pod", "drained-coder-r0")
    node = pod["spec"]["nodeName"]
    try:
        selector = f"--pod-selector={LABEL_RUN_UID}={pod['metadata']['labels'][LABEL_RUN_UID]}"
        stage.cluster.kubectl("drain", node, "--ignore-daemonsets", "--force", "--delete-emptydir-data", selector, IN_TIME)
        moved = await_that(lambda: running(stage, "drained-coder-r1"), "the next attempt", LONG)
        found = stage.phase("drained", "Running")
        assert moved["spec"]["nodeName"] != node
        assert (found["restarts"], found["agents"][0]["attempt"]) == (0, 1)
    finally:
        stage.cluster.kubectl("uncordon", node)


def test_a_deleted_pod_is_restarted_uncharged(stage: Stage) -> None:
    """`kubectl delete pod` and `--force` both lead to a next attempt; deliberate ends are not the agent's fault."""
    await_that(lambda: running(stage, "gone-coder-r0"), "the first attempt", LONG)
    stage.cluster.kubectl("-n", stage.namespace, "delete", "pod", "gone-coder-r0", "--grace-period=1", IN_TIME)
    await_that(lambda: running(stage, "gone-coder-r1"), "the second attempt", LONG)
    stage.cluster.kubectl("-n", stage.namespace, "delete", "pod", "gone-coder-r1", "--force", IN_TIME)
    await_that(lambda: running(stage, "gone-coder-r2"), "the third attempt", LONG)
    assert stage.phase("gone", "Running")["restarts"] == 0


def decide(stage: Stage, escalation: JsonObject, decision: str) -> None:
    """Answer an escalation."""
    answer(stage.cluster, stage.namespace, escalation["metadata"]["name"], decision)


def phase_of(stage: Stage, escalation: JsonObject) -> str:
    """Return an escalation's current phase."""
    found = get(stage.cluster, stage.namespace, "escalation", escalation["metadata"]["name"])
    return str(found.get("status", {}).get("phase"))


def running(stage: Stage, pod: str) -> JsonObject | None:
    """Return a pod once it runs."""
    found = get(stage.cluster, stage.namespace, "pod", pod)
    return found if found.get("status", {}).get("phase") == "Running" else None


def created(pod: JsonObject) -> datetime:
    """Return when a pod was created."""
    return datetime.fromisoformat(pod["metadata"]["creationTimestamp"])


def ended(pod: JsonObject) -> datetime:
    """Return when a pod's agent ended."""
    return datetime.fromisoformat(pod["status"]["containerStatuses"][0]["state"]["terminated"]["finishedAt"])


def seconds_between(first: datetime, second: datetime) -> float:
    """Return the seconds from one time to another, both by the API server's clock."""
    return (second - first).total_seconds()
