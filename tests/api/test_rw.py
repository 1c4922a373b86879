"""`kubectl rw` on the real API server with a running operator and simulated pods: the life of Runs from a user's terminal."""

from __future__ import annotations

import json

import pytest
import yaml

from tests.cluster import Cluster
from tests.plugin import Plugin, allow, report
from tests.support import (
    OperatorProcess,
    apply,
    await_phase,
    await_that,
    failing,
    get,
    items,
    pods_of,
    policy_of,
    run_of,
    simulated_forever,
    status,
)


@pytest.fixture
def rw(api_cluster: Cluster, api_operator: OperatorProcess, namespace: str) -> Plugin:
    """The plugin, as the cluster's admin."""
    return Plugin(api_cluster, namespace)


def test_run_and_watch_until_it_has_completed(rw: Plugin) -> None:
    """Every option reaches the Run; changes are printed as they come, and the exit code shows the end."""
    rw.cluster.kubectl("-n", rw.namespace, "create", "secret", "generic", "keys", "--from-literal=A=b")
    options = ("--brief", "Say hello.", "--env", "X=y", "--env-from", "secret/keys", "--deadline", "1h", "--watch")
    said = rw.ok("run", "hello", "--image", "busybox:1.37", *options, "--", "sh", "-c", "echo hi")
    assert said.startswith("run hello created\nNAME ")
    assert said.endswith("run hello: Completed: 1 required agent completed\n")
    spec = get(rw.cluster, rw.namespace, "run", "hello")["spec"]
    assert (spec["brief"], spec["activeDeadlineSeconds"]) == ("Say hello.", 3600)
    me = json.loads(rw.cluster.kubectl("auth", "whoami", "-o", "json"))["status"]["userInfo"]["username"]
    assert spec["requestedBy"] == me
    assert f"{me} (unchecked)" in rw.ok("describe", "hello"), "the operator was not told of admission policies"
    agent = spec["agents"][0]
    assert (agent["command"], agent["env"]) == (["sh", "-c", "echo hi"], [{"name": "X", "value": "y"}])
    assert "AllAgentsComplete" in rw.ok("get", "hello")
    assert "Run hello already exists" in rw.error("run", "hello", "--image", "x")


def test_a_run_that_fails_is_an_exit_code(rw: Plugin) -> None:
    """--watch exits with 1 if the Run did not complete."""
    apply(rw.cluster, rw.namespace, policy_of({"outcomes": [{"exitCodes": [1], "action": "Fail"}]}), failing("first"))
    await_phase(rw.cluster, rw.namespace, "first", "Failed")
    done = rw("rerun", "first", "--watch")
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (
        1,
        "run first-2: Failed: agent coder, attempt 0: NonZeroExit: exit code 1",
    )


def test_dry_runs_create_nothing(rw: Plugin) -> None:
    """The printed object can be applied; with `server` the API server has checked it."""
    printed = yaml.safe_load(rw.ok("run", "later", "--image", "x", "--workspace", "--dry-run"))
    assert printed["spec"]["agents"] == [{"name": "coder", "image": "x", "workspace": {}}]
    checked = json.loads(rw.ok("run", "later", "--image", "x", "--workspace", "--dry-run=server", "-o", "json"))
    assert checked["spec"]["agents"][0]["workspace"]["size"] == "10Gi"
    assert "spec.agents[0].name" in rw.error("run", "later", "--image", "x", "--agent-name", "no-hyphens", "--dry-run=server")
    assert items(rw.cluster, rw.namespace, "runs") == []
    apply(rw.cluster, rw.namespace, printed)
    await_phase(rw.cluster, rw.namespace, "later", "Completed")


def test_the_same_failure_twice_asks_although_budget_is_left(rw: Plugin) -> None:
    """The question says how often; after a Retry the same failure asks again, without another charge."""
    policy = policy_of({"restartBudget": 5, "restartCooldownSeconds": 0, "repeatedFailures": {"count": 2}})
    apply(rw.cluster, rw.namespace, policy, failing("same"))
    await_phase(rw.cluster, rw.namespace, "same", "Blocked")
    found = status(rw.cluster, rw.namespace, "same")
    assert (found["reason"], found["restarts"], found["agents"][0]["repeatedFailures"]) == ("RepeatedFailures", 1, 2)
    told = json.loads(rw.ok("explain", "same", "-o", "json"))
    assert (told["rule"], told["agents"][0]["repeatedFailures"], told["budget"]["left"]) == ("supervised", 2, 4)
    assert "coder failed in the same way 2 times in a row" in rw.ok("describe", "same")
    rw.ok("retry", "same")
    await_that(lambda: "3 times in a row" in status(rw.cluster, rw.namespace, "same").get("message", ""), "the next question")
    assert status(rw.cluster, rw.namespace, "same")["restarts"] == 1
    rw.ok("fail", "same")
    await_phase(rw.cluster, rw.namespace, "same", "Failed")


def test_a_blocked_run_is_retried_and_given_up(rw: Plugin) -> None:
    """When the budget is spent, explain shows the rule and the remedy; retry gives one more attempt, fail ends it."""
    apply(rw.cluster, rw.namespace, policy_of({"restartBudget": 0}), failing("stuck"))
    await_phase(rw.cluster, rw.namespace, "stuck", "Blocked")
    told = json.loads(rw.ok("explain", "stuck", "-o", "json"))
    assert (told["phase"], told["reason"], told["rule"]) == ("Blocked", "RestartBudgetSpent", "supervised")
    assert told["budget"] == {"used": 0, "budget": 0, "left": 0, "policy": "default", "sure": True}
    assert [change["command"][0] for change in told["changes"][:3]] == ["retry", "wait", "fail"]
    assert "(BlockedTimeout)" in told["next"][0]["what"]
    assert f"rw inbox -n {rw.namespace}" in rw("get").stderr
    rw.ok("retry", "stuck", "--comment", "again")
    await_that(lambda: "stuck-coder-r1" in pods_of(rw.cluster, rw.namespace, "stuck-coder"), "the next attempt")
    await_that(lambda: len(rw.ok("inbox", "-o", "name").splitlines()) == 1, "the next escalation")
    rw.ok("fail", "stuck")
    assert await_phase(rw.cluster, rw.namespace, "stuck", "Failed")["reason"] == "StopOrdered"
    shown = rw.ok("describe", "stuck")
    for words in ("coder r0", "coder r1", "answered by admin: Retry (again)", "StopOrdered", "exit code 1"):
        assert words in shown, words


def test_pause_resume_restart_stop_rerun(rw: Plugin) -> None:
    """The wanted state of a Run is set, and is refused after its end."""
    apply(rw.cluster, rw.namespace, simulated_forever("long"))
    await_phase(rw.cluster, rw.namespace, "long", "Running")
    assert "restart of coder requested" in rw.ok("restart", "long")
    await_that(lambda: status(rw.cluster, rw.namespace, "long")["agents"][0]["attempt"] == 1, "the restart")
    assert "has no agent codr; did you mean coder?" in rw.error("restart", "long", "codr")
    rw.ok("pause", "long")
    await_phase(rw.cluster, rw.namespace, "long", "Paused")
    assert "unchanged, its desiredState is already Paused" in rw.ok("pause", "long")
    assert "Run long is Paused" in rw.error("restart", "long")
    rw.ok("resume", "long")
    await_phase(rw.cluster, rw.namespace, "long", "Running")
    rw.ok("stop", "long")
    await_phase(rw.cluster, rw.namespace, "long", "Stopped")
    for command in ("pause", "resume", "restart"):
        assert f"kubectl rw rerun long -n {rw.namespace}" in rw.error(command, "long")
    assert rw.ok("rerun", "long") == "run long-2 created\n"
    assert rw.ok("rerun", "long", "anew", "-o", "name") == "run.runwatchman.dev/anew\n"
    await_phase(rw.cluster, rw.namespace, "anew", "Running")
    assert rw.ok("stop", "long-2", "anew").count("is now Stopped") == 2


def test_explain_tells_the_cooldown(rw: Plugin) -> None:
    """While a restart waits, the replayed plan has the operator's message, its rule and the time."""
    apply(rw.cluster, rw.namespace, policy_of({"restartCooldownSeconds": 600}), failing("cools"))
    await_that(lambda: status(rw.cluster, rw.namespace, "cools").get("reason") == "RestartCooldown", "the cooldown")
    told = json.loads(rw.ok("explain", "cools", "-o", "json"))
    until = status(rw.cluster, rw.namespace, "cools")["agents"][0]["cooldownUntil"]
    assert told["agents"][0]["rule"].startswith("rule ended: The attempt ended")
    assert {"at": until, "what": "coder is restarted (end of its cooldown)"} in told["next"]
    assert told["notes"] == []
    assert (told["budget"]["used"], told["budget"]["left"]) == (1, 2)


def test_logs_name_the_attempts_pod(rw: Plugin) -> None:
    """Kubectl gets the pod and the judged container; a missing attempt is reported. (Simulated nodes have no logs to print.)"""
    apply(rw.cluster, rw.namespace, run_of("talks"))
    await_phase(rw.cluster, rw.namespace, "talks", "Completed")
    code, _, err = rw.process("logs", "talks")
    assert code == 1
    assert "talks-coder-r0/agent" in err
    assert "there is no pod of agent coder, attempt 4; there are attempts 0" in rw.error("logs", "talks", "--attempt", "4")
    assert "is at its first attempt; it has no previous attempt" in rw.error("logs", "talks", "-p")


def test_reports_are_shown_where_there_are_any(rw: Plugin) -> None:
    """`get` shows the agent's latest message, `describe` its ages, and `explain` the time at which a stall would count."""
    apply(rw.cluster, rw.namespace, simulated_forever("speaks"))
    await_phase(rw.cluster, rw.namespace, "speaks", "Running")
    report(rw, "speaks", progressAgeSeconds=90, message="ported 3 of 7", usage={"inputTokens": 1000, "outputTokens": 234})
    assert "ago: ported 3 of 7" in rw.ok("get", "speaks")
    assert " 1,234 " in rw.ok("get", "speaks", "-o", "wide")
    assert "ported 3 of 7" in rw.ok("describe", "speaks")
    told = json.loads(rw.ok("explain", "speaks", "-o", "json"))
    assert (told["rule"], told["notes"], told["tokens"]) == ("supervised", [], 1234)
    for setting in ("activityStalledSeconds", "progressStalledSeconds", "staleRunAgeSeconds"):
        assert any(setting in check["what"] for check in told["next"]), told["next"]


def test_an_agents_question_is_answered(rw: Plugin) -> None:
    """An agent's question appears in the inbox, is explained, answered by the Run's name, and delivered to the agent."""
    apply(rw.cluster, rw.namespace, simulated_forever("asks"))
    await_phase(rw.cluster, rw.namespace, "asks", "Running")
    report(rw, "asks", questions=[{"id": "q1", "text": "Ship it?", "options": ["yes", "no"]}])
    await_phase(rw.cluster, rw.namespace, "asks", "AwaitingGuidance")
    await_that(lambda: rw.ok("inbox", "-o", "name"), "the question")
    assert "Ship it?" in rw.ok("inbox")
    told = json.loads(rw.ok("explain", "asks", "-o", "json"))
    assert (told["reason"], told["agents"][0]["rule"][:11], told["notes"]) == ("AwaitingGuidance", "rule asking", [])
    assert "'maybe' is not one of the options; 1) yes, 2) no" in rw.error("answer", "asks", "maybe")
    rw.ok("answer", "asks", "YES")

    def delivered() -> object:
        found = get(rw.cluster, rw.namespace, "agentreport", "asks-coder")["spec"].get("deliveries")
        return found and found[0]["answer"] == "yes"

    await_that(delivered, "the answer in the agent's report")
    assert "answered by admin: Answer: yes" in await_that(lambda: "answered" in (d := rw.ok("describe", "asks")) and d, "its time")


def test_a_dismissed_question_is_told_to_its_agent(rw: Plugin) -> None:
    """Deleting a question's escalation dismisses it: the agent's report shows that, and the question is not asked again."""
    apply(rw.cluster, rw.namespace, simulated_forever("nags"))
    await_phase(rw.cluster, rw.namespace, "nags", "Running")
    report(rw, "nags", questions=[{"id": "q1", "text": "Ship it?", "options": []}])
    await_phase(rw.cluster, rw.namespace, "nags", "AwaitingGuidance")
    asked = await_that(lambda: rw.ok("inbox", "-o", "name"), "the question").split()
    rw.cluster.kubectl("-n", rw.namespace, "delete", *asked)

    def told() -> object:
        found = get(rw.cluster, rw.namespace, "agentreport", "nags-coder")["spec"].get("deliveries")
        return found and (found[0]["questionID"], found[0].get("dismissed")) == ("q1", True)

    await_that(told, "the dismissal in the agent's report")
    await_phase(rw.cluster, rw.namespace, "nags", "Running")
    assert rw.ok("inbox", "-o", "name") == ""


def test_through_kubectl_as_a_plugin(rw: Plugin) -> None:
    """Kubectl finds the plugin and its completion; with -o the output is kubectl's own, and exit codes are passed on."""
    apply(rw.cluster, rw.namespace, run_of("one"))
    await_phase(rw.cluster, rw.namespace, "one", "Completed")
    code, out, err = rw.process("get")
    assert (code, out.split()[0]) == (0, "NAME")
    assert "kubectl rw explain one" in err
    assert rw.process("get", "one", "-o", "name") == (0, "run.runwatchman.dev/one\n", "")
    code, out, _ = rw.process("get", "-o", "json")
    assert json.loads(out)["items"][0]["metadata"]["name"] == "one"
    code, _, err = rw.process("get", "xyz")
    assert (code, err.splitlines()[0]) == (1, f"error: Run xyz not found in namespace {rw.namespace}; there are one")


def test_a_watch_tells_each_change(rw: Plugin) -> None:
    """Without a terminal a line is printed for each change, and the watch continues until it is ended."""
    apply(rw.cluster, rw.namespace, simulated_forever("before"))
    process = rw.start("get", "-w")
    assert process.stdout is not None
    try:
        assert [process.stdout.readline().split()[0] for _ in range(2)] == ["NAME", "before"]
        apply(rw.cluster, rw.namespace, run_of("seen"))
        phases = []
        while "Completed" not in phases:
            cells = process.stdout.readline().split()
            phases += [cells[1]] if cells[0] == "seen" else []
        assert phases[0] == "Pending"
    finally:
        process.terminate()
        process.communicate(timeout=60)


def test_few_rights_show_what_they_can(rw: Plugin) -> None:
    """A user who may only read Runs still gets them explained, with a list of the data that he cannot see."""
    apply(rw.cluster, rw.namespace, run_of("mine"))
    await_phase(rw.cluster, rw.namespace, "mine", "Completed")
    allow(rw.cluster, rw.namespace, "carol", ("get,list", "runs.runwatchman.dev"))
    carol = Plugin(rw.cluster, rw.namespace, "carol")
    assert "mine" in carol.ok("get")
    for command in ("describe", "explain"):
        shown = carol.ok(command, "mine")
        assert "Completed" in shown
        assert f"carol may not list pods in namespace {rw.namespace}" in shown
    assert f"carol may not create runs.runwatchman.dev in namespace {rw.namespace}" in carol.error("rerun", "mine")
