"""Runs on real kubelets, as a user would see them."""

from __future__ import annotations

from tests.cluster import IN_TIME, Cluster
from tests.kind.installed import Installed
from tests.support import (
    apply,
    await_phase,
    await_that,
    condition,
    get,
    items,
    policy_of,
    run_of,
    shell,
    status,
)

FOREVER = "trap 'exit 0' TERM; while :; do sleep 0.2; done"
DEAF = "trap '' TERM; while :; do sleep 0.2; done"


def test_one_agent_completes(kind_cluster: Cluster, kind_operator: Installed, namespace: str) -> None:
    """The shortest way: a Run of the short form completes, `kubectl wait` returns, one Event reports it, and the brief was
    there.
    """
    agent = shell('[ "$(cat /runwatchman/brief.md)" = "say hi" ] && [ "$RUNWATCHMAN_ATTEMPT" = 0 ] && id -u | grep -qx 10001')
    apply(kind_cluster, namespace, run_of("one", agent, brief="say hi"))
    kind_cluster.kubectl("-n", namespace, "wait", "run/one", "--for=condition=Finished", IN_TIME)
    found = status(kind_cluster, namespace, "one")
    assert (found["phase"], found["ready"]) == ("Completed", "1/1"), found
    assert condition(found, "Succeeded") == ("True", "AllAgentsComplete")
    events = await_that(lambda: items(kind_cluster, namespace, "events"), "an Event")
    assert [e["reason"] for e in events if e["involvedObject"]["kind"] == "Run"] == ["AllAgentsComplete"]


def test_three_agents_and_a_kept_workspace(kind_cluster: Cluster, kind_operator: Installed, namespace: str) -> None:
    """Short form and template together: the required complete, the optional one is ended gracefully, the workspace is a claim."""
    template = {"spec": {"containers": [{"name": "agent", "image": "busybox:1.37", "command": ["sleep", "1"]}]}}
    apply(
        kind_cluster,
        namespace,
        run_of(
            "three",
            shell("echo kept > /workspace/file && cat /workspace/file", workspace={"size": "1Gi"}),
            {"name": "reviewer", "template": template},
            shell(FOREVER, name="watcher", required=False),
        ),
    )
    found = await_phase(kind_cluster, namespace, "three", "Completed")
    outcomes = {agent["name"]: agent["outcome"] for agent in found["agents"]}
    assert outcomes == {"coder": "Completed", "reviewer": "Completed", "watcher": "Interrupted"}
    assert get(kind_cluster, namespace, "pvc", "three-coder-workspace")["status"]["phase"] == "Bound"
    assert kind_cluster.kubectl("-n", namespace, "logs", "three-coder-r0").strip() == "kept"


def test_failure_ends_the_run_with_the_kubelets_words(kind_cluster: Cluster, kind_operator: Installed, namespace: str) -> None:
    """If the policy makes failing final, the Run fails with exit code and last log lines, and the other agent is ended."""
    policy = policy_of({"outcomes": [{"exitCodes": [3], "action": "Fail"}]})
    apply(kind_cluster, namespace, policy, run_of("bad", shell("echo no compiler; exit 3"), shell(FOREVER, name="other")))
    found = await_phase(kind_cluster, namespace, "bad", "Failed")
    assert condition(found, "Finished") == ("True", "AgentFailed")
    assert "exit code 3" in found["message"]
    assert "no compiler" in found["message"]
    phases = {pod["metadata"]["name"]: pod["status"]["phase"] for pod in items(kind_cluster, namespace, "pods")}
    assert phases["bad-other-r0"] in ("Failed", "Succeeded")


def test_unpullable_image_is_told_and_ends_at_the_deadline(kind_cluster: Cluster, kind_operator: Installed, namespace: str) -> None:
    """While the image cannot be pulled the status has the kubelet's message; the deadline ends the Run."""
    apply(kind_cluster, namespace, run_of("nope", {"image": "localhost/nobody/has:1"}, activeDeadlineSeconds=15))
    waiting = await_that(
        lambda: (found := status(kind_cluster, namespace, "nope")).get("reason") == "NotStarting" and found, "NotStarting"
    )
    assert waiting["phase"] == "Pending"
    assert "ImagePullBackOff" in waiting["message"]
    found = await_phase(kind_cluster, namespace, "nope", "Failed")
    assert found["reason"] == "DeadlineExceeded"


def test_root_only_image_fails_for_its_reason(kind_cluster: Cluster, kind_operator: Installed, namespace: str) -> None:
    """An image whose program only root may run cannot be started as the agent's user: the escalation has the reason."""
    policy = policy_of({"restartBudget": 0})
    apply(kind_cluster, namespace, policy, run_of("rooted", {"image": "localhost/runwatchman-test/root-only:1"}))
    found = await_phase(kind_cluster, namespace, "rooted", "Blocked")
    assert "StartError" in found["message"]
    assert "permission denied" in found["message"]


def test_restricted_namespace(kind_cluster: Cluster, kind_operator: Installed, namespace: str) -> None:
    """Agent pods meet Pod Security `restricted` without changes."""
    label = "pod-security.kubernetes.io/enforce=restricted"
    kind_cluster.kubectl("label", "namespace", namespace, label)
    apply(kind_cluster, namespace, run_of("strict", shell("true", workspace={"size": "1Gi"})))
    await_phase(kind_cluster, namespace, "strict", "Completed")


def test_pause_and_resume(kind_cluster: Cluster, kind_operator: Installed, namespace: str) -> None:
    """Pausing ends the agent and keeps its workspace; resuming starts an uncharged attempt with that workspace."""
    script = f"if [ -e /workspace/seen ]; then exit 0; fi; touch /workspace/seen; {FOREVER}"
    apply(kind_cluster, namespace, run_of("pausing", shell(script, workspace={"size": "1Gi"})))
    await_phase(kind_cluster, namespace, "pausing", "Running")
    patch_state(kind_cluster, namespace, "pausing", "Paused")
    found = await_phase(kind_cluster, namespace, "pausing", "Paused")
    assert found["agents"][0]["outcome"] == "Interrupted"
    patch_state(kind_cluster, namespace, "pausing", "Running")
    found = await_phase(kind_cluster, namespace, "pausing", "Completed")
    assert (found["agents"][0]["attempt"], found["restarts"]) == (1, 0)
    names = {pod["metadata"]["name"] for pod in items(kind_cluster, namespace, "pods")}
    assert names == {"pausing-coder-r0", "pausing-coder-r1"}


def test_stop_ends_an_agent_that_ignores_term(kind_cluster: Cluster, kind_operator: Installed, namespace: str) -> None:
    """Stopped is final: the agent is killed after its grace period, its logs stay readable, and nothing starts again."""
    containers = [{"name": "agent", "image": "busybox:1.37", "command": ["sh", "-c", f"echo started; {DEAF}"]}]
    template = {"spec": {"terminationGracePeriodSeconds": 2, "containers": containers}}
    apply(kind_cluster, namespace, run_of("stubborn", {"template": template}))
    await_phase(kind_cluster, namespace, "stubborn", "Running")
    patch_state(kind_cluster, namespace, "stubborn", "Stopped")
    found = await_phase(kind_cluster, namespace, "stubborn", "Stopped")
    assert condition(found, "Finished") == ("True", "StopRequested")
    assert kind_cluster.kubectl("-n", namespace, "logs", "stubborn-coder-r0").strip() == "started"
    refusal = kind_cluster.kubectl(
        "-n", namespace, "patch", "run", "stubborn", "--type=merge", "-p", '{"spec":{"desiredState":"Running"}}', check=False
    )
    assert "desiredState Stopped is final" in refusal


def test_ttl_deletes_the_run_and_all_it_owns(kind_cluster: Cluster, kind_operator: Installed, namespace: str) -> None:
    """A finished Run is deleted when its time is over, with its pods and claims."""
    apply(kind_cluster, namespace, run_of("brief", shell("true", workspace={"size": "1Gi"}), ttlSecondsAfterFinished=1))
    await_that(lambda: get(kind_cluster, namespace, "run", "brief"), "the Run")
    await_that(lambda: not get(kind_cluster, namespace, "run", "brief"), "the Run's end")
    await_that(lambda: not items(kind_cluster, namespace, "pods,pvc"), "the end of its pods and claims")


def test_killed_operator_takes_up_where_it_was(kind_cluster: Cluster, kind_operator: Installed, namespace: str) -> None:
    """After SIGKILL in the middle, no pod is started twice, and events in between are not missed."""
    apply(kind_cluster, namespace, *(run_of(f"k{n}", shell(f"sleep {n}")) for n in range(4)))
    await_that(lambda: items(kind_cluster, namespace, "pods"), "a pod")
    kind_operator.stop()
    kind_operator.start()
    for n in range(4):
        found = await_phase(kind_cluster, namespace, f"k{n}", "Completed")
        assert found["agents"][0]["attempt"] == 0
    assert len(items(kind_cluster, namespace, "pods")) == 4


def patch_state(cluster: Cluster, namespace: str, run: str, state: str) -> None:
    patch = f'{{"spec":{{"desiredState":"{state}"}}}}'
    cluster.kubectl("-n", namespace, "patch", "run", run, "--type=merge", "-p", patch)
