"""Restarts, budgets and escalations on real kubelets, with every store."""

from __future__ import annotations

from datetime import datetime

from controller.api.base import JsonObject
from tests.cluster import Cluster
from tests.support import (
    OperatorProcess,
    answer,
    apply,
    await_phase,
    await_that,
    get,
    items,
    pods_of,
    policy_of,
    run_of,
    shell,
    status,
)

FOREVER = "while :; do sleep 0.2; done"
COOLDOWN = 3
QUICK = {"restartCooldownSeconds": COOLDOWN, "confirmationIntervalSeconds": 1, "health": {"pendingStalledSeconds": 4}}


def test_one_of_two_agents_crashes_twice(kind_cluster: Cluster, stored_operator: OperatorProcess, namespace: str) -> None:
    """Two restarts, the first at once, the second after the cooldown; the other agent is not touched; the Run completes."""
    crashing = shell('echo "after $RUNWARDEN_LAST_OUTCOME"; sleep 1; [ "$RUNWARDEN_ATTEMPT" -ge 2 ]')
    steady = shell("while [ ! -e /workspace/stop ]; do sleep 0.2; done", name="steady", required=False)
    apply(kind_cluster, namespace, policy_of(QUICK), run_of("twice", crashing, steady))
    await_phase(kind_cluster, namespace, "twice", "Running")
    before = pods_of(kind_cluster, namespace, "twice-steady")
    found = await_phase(kind_cluster, namespace, "twice", "Completed")
    assert (found["restarts"], found["agents"][0]["attempt"]) == (2, 2)
    assert {name: pod["metadata"]["uid"] for name, pod in pods_of(kind_cluster, namespace, "twice-steady").items()} == {
        name: pod["metadata"]["uid"] for name, pod in before.items()
    }
    pods = pods_of(kind_cluster, namespace, "twice-coder")
    assert list(pods) == ["twice-coder-r0", "twice-coder-r1", "twice-coder-r2"]
    assert seconds_between(created(pods["twice-coder-r1"]), created(pods["twice-coder-r2"])) >= COOLDOWN
    assert kind_cluster.kubectl("-n", namespace, "logs", "twice-coder-r1").strip() == "after NonZeroExit"


def test_a_spent_budget_asks_and_retry_starts_exactly_one(
    kind_cluster: Cluster, stored_operator: OperatorProcess, namespace: str
) -> None:
    """With the budget spent a human is asked and nothing starts; Retry starts one attempt, uncharged, and asks anew."""
    policy = policy_of({**QUICK, "restartBudget": 1})
    apply(kind_cluster, namespace, policy, run_of("spent", shell("echo no compiler; exit 3")))
    found = await_phase(kind_cluster, namespace, "spent", "Blocked")
    first = await_that(lambda: the_escalation(kind_cluster, namespace, "Open"), "an open escalation")
    assert (found["reason"], found["restarts"], found["openEscalations"]) == ("RestartBudgetSpent", 1, 1)
    assert "no compiler" in first["spec"]["text"]
    answer(kind_cluster, namespace, first["metadata"]["name"], "Retry")
    await_that(lambda: phase_of(kind_cluster, namespace, first) == "Resolved", "the first escalation resolved")
    second = await_that(lambda: the_escalation(kind_cluster, namespace, "Open"), "a new escalation for the new attempt")
    assert second["metadata"]["name"] != first["metadata"]["name"]
    assert list(pods_of(kind_cluster, namespace, "spent-coder")) == [f"spent-coder-r{n}" for n in range(3)]
    assert status(kind_cluster, namespace, "spent")["restarts"] == 1
    answer(kind_cluster, namespace, second["metadata"]["name"], "Stop")
    assert await_phase(kind_cluster, namespace, "spent", "Failed")["reason"] == "StopOrdered"
    await_that(lambda: phase_of(kind_cluster, namespace, second) == "Resolved", "the second escalation resolved")


def test_a_hung_agent_is_gone_before_its_successor_starts(
    kind_cluster: Cluster, stored_operator: OperatorProcess, namespace: str
) -> None:
    """An agent that fails its probe and ignores SIGTERM is killed first, then restarted; its logs stay readable."""
    hang = f'trap "" TERM; touch /workspace/ok; sleep 3; rm /workspace/ok; {FOREVER}'
    script = f'[ "$RUNWARDEN_ATTEMPT" = 0 ] || exit 0; echo hanging; {hang}'
    probe = {"exec": {"command": ["test", "-e", "/workspace/ok"]}, "periodSeconds": 1, "failureThreshold": 1}
    container = {"name": "agent", "image": "busybox:1.37", "command": ["sh", "-c", script], "readinessProbe": probe}
    template = {"spec": {"terminationGracePeriodSeconds": 2, "containers": [container]}}
    apply(kind_cluster, namespace, policy_of(QUICK), run_of("hung", {"template": template}))
    found = await_phase(kind_cluster, namespace, "hung", "Completed")
    assert found["restarts"] == 1
    pods = pods_of(kind_cluster, namespace, "hung-coder")
    assert ended(pods["hung-coder-r0"]) <= created(pods["hung-coder-r1"])
    assert pods["hung-coder-r0"]["status"]["reason"] == "DeadlineExceeded"
    assert kind_cluster.kubectl("-n", namespace, "logs", "hung-coder-r0").strip() == "hanging"


def test_out_of_memory_is_told_and_restarted(kind_cluster: Cluster, stored_operator: OperatorProcess, namespace: str) -> None:
    """An agent over its memory limit is restarted within the budget, and the status tells the cause."""
    greedy = shell(
        'trap "" USR1; [ "$RUNWARDEN_ATTEMPT" = 0 ] || sleep 100; x=a; while :; do x=$x$x; done',
        resources={"limits": {"memory": "32Mi"}},
    )
    apply(kind_cluster, namespace, policy_of({"restartBudget": 0}), run_of("oom", greedy))
    found = await_phase(kind_cluster, namespace, "oom", "Blocked")
    assert "OOMKilled" in found["message"] or "exit code 137: killed by SIGKILL, which may mean out of memory" in found["message"]


def test_an_image_that_cannot_be_pulled_is_escalated_and_heals(
    kind_cluster: Cluster, stored_operator: OperatorProcess, namespace: str
) -> None:
    """It is not restarted; a human is asked in the kubelet's words; Wait is honoured once; Stop ends it."""
    apply(kind_cluster, namespace, policy_of(QUICK), run_of("nope", {"image": "localhost/nobody/has:1"}))
    found = await_phase(kind_cluster, namespace, "nope", "Blocked")
    assert (found["reason"], found["restarts"], found["agents"][0]["health"]) == ("PendingStalled", 0, "PendingStalled")
    asked = await_that(lambda: the_escalation(kind_cluster, namespace, "Open"), "an open escalation")
    assert "localhost/nobody/has:1" in asked["spec"]["text"]
    answer(kind_cluster, namespace, asked["metadata"]["name"], "Wait")
    await_that(lambda: phase_of(kind_cluster, namespace, asked) == "Resolved", "the answer honoured")
    assert status(kind_cluster, namespace, "nope")["phase"] == "Blocked"
    assert list(pods_of(kind_cluster, namespace, "nope-coder")) == ["nope-coder-r0"]


def test_a_manual_restart_is_not_charged(kind_cluster: Cluster, stored_operator: OperatorProcess, namespace: str) -> None:
    """A new time in spec.restartedAt ends the agent and starts its next attempt, once, beside the budget."""
    script = f'trap "exit 143" TERM; [ "$RUNWARDEN_ATTEMPT" = 1 ] && exit 0; {FOREVER}'
    apply(kind_cluster, namespace, policy_of({"restartBudget": 0}), run_of("again", shell(script)))
    await_phase(kind_cluster, namespace, "again", "Running")
    asked = '{"spec":{"restartedAt":{"coder":"2026-01-01T00:00:00Z"}}}'
    kind_cluster.kubectl("-n", namespace, "patch", "run", "again", "--type=merge", "-p", asked)
    found = await_phase(kind_cluster, namespace, "again", "Completed")
    assert (found["restarts"], found["agents"][0]["attempt"]) == (0, 1)


def test_a_drain_restarts_elsewhere_uncharged(kind_cluster: Cluster, stored_operator: OperatorProcess, namespace: str) -> None:
    """`kubectl drain` ends within its time; the agent goes on on another node; nothing is charged."""
    apply(kind_cluster, namespace, policy_of({"restartBudget": 0}), run_of("drained", shell(f"trap 'exit 0' TERM; {FOREVER}")))
    await_phase(kind_cluster, namespace, "drained", "Running")
    node = get(kind_cluster, namespace, "pod", "drained-coder-r0")["spec"]["nodeName"]
    try:
        selector = "--pod-selector=runwarden.dev/run=drained"
        kind_cluster.kubectl("drain", node, "--ignore-daemonsets", "--force", "--delete-emptydir-data", selector, "--timeout=60s")
        moved = await_that(lambda: running(kind_cluster, namespace, "drained-coder-r1"), "the next attempt")
        found = status(kind_cluster, namespace, "drained")
        assert moved["spec"]["nodeName"] != node
        assert (found["restarts"], found["agents"][0]["attempt"]) == (0, 1)
    finally:
        kind_cluster.kubectl("uncordon", node)


def test_a_deleted_pod_is_restarted_uncharged(kind_cluster: Cluster, stored_operator: OperatorProcess, namespace: str) -> None:
    """`kubectl delete pod` and `--force` both lead to a next attempt; deliberate ends are not the agent's fault."""
    apply(kind_cluster, namespace, policy_of({"restartBudget": 0, "restartCooldownSeconds": 1}), run_of("gone", shell(FOREVER)))
    await_that(lambda: running(kind_cluster, namespace, "gone-coder-r0"), "the first attempt")
    kind_cluster.kubectl("-n", namespace, "delete", "pod", "gone-coder-r0", "--grace-period=1", "--timeout=60s")
    await_that(lambda: running(kind_cluster, namespace, "gone-coder-r1"), "the second attempt")
    kind_cluster.kubectl("-n", namespace, "delete", "pod", "gone-coder-r1", "--force", "--timeout=60s")
    await_that(lambda: running(kind_cluster, namespace, "gone-coder-r2"), "the third attempt")
    assert status(kind_cluster, namespace, "gone")["restarts"] == 0


def the_escalation(cluster: Cluster, namespace: str, phase: str) -> JsonObject:
    """Return the one escalation of a phase, empty where there is none."""
    found = [e for e in items(cluster, namespace, "escalations") if e.get("status", {}).get("phase") == phase]
    assert len(found) <= 1
    return found[0] if found else {}


def phase_of(cluster: Cluster, namespace: str, escalation: JsonObject) -> str:
    """Return an escalation's phase now."""
    return str(get(cluster, namespace, "escalation", escalation["metadata"]["name"]).get("status", {}).get("phase"))


def running(cluster: Cluster, namespace: str, pod: str) -> JsonObject | None:
    """Return a pod once it runs."""
    found = get(cluster, namespace, "pod", pod)
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
