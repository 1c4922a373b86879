"""Agents that ask, and humans that answer, on real kubelets: all stories are applied at once, and each test checks one."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from controller.api.base import JsonObject
from tests.cluster import Cluster
from tests.kind.installed import Installed
from tests.kind.stage import LONG, Stage
from tests.support import (
    apply,
    await_that,
    condition,
    get,
    items,
    policy_of,
    run_of,
    shell,
    status,
)

IDLE_SECONDS = 6
STALE_SECONDS = 8

QUICK: JsonObject = {"confirmationIntervalSeconds": 1, "restartCooldownSeconds": 1}
POLICIES: dict[str, JsonObject] = {
    "default": QUICK,
    "hung": {**QUICK, "health": {"activityStalledSeconds": IDLE_SECONDS}},
    "busy": {**QUICK, "health": {"activityStalledSeconds": IDLE_SECONDS}, "staleRunAgeSeconds": STALE_SECONDS},
    "loop": {**QUICK, "health": {"progressStalledSeconds": IDLE_SECONDS}, "staleRunAgeSeconds": IDLE_SECONDS + STALE_SECONDS},
    "late": {**QUICK, "questionTimeoutSeconds": 3},
    "off": {**QUICK, "reporter": "Off"},
    "apart": {**QUICK, "reporter": "NoSharedPID"},
    "strict": {**QUICK, "requireResult": True, "restartBudget": 0},
}
BUSY = "while :; do :; done"
A_FIFTH: JsonObject = {"limits": {"cpu": "200m"}}
"""What the busy agents get: the other tests need the cores."""
SLEEPY = "while :; do sleep 1; done"
ASK = 'answer=$(rw ask --wait 600 "Ship it?" yes no)'
ACROSS = f'[ "$RUNWATCHMAN_ATTEMPT" = 0 ] && {{ rw ask --wait 3 "Ship it?" yes no; exit 1; }}; {ASK} && rw done "$answer"'
HEEDS = (
    'rw ask --wait 0 "May I?"; [ $? = 4 ] && grep -q "was dismissed" "$RUNWATCHMAN_DIR/brief.md" && rw done && exit; exec rw park'
)
PARKED = 'rw ask --wait 0 "Go on?" || exec rw park; grep -q "^yes$" "$RUNWATCHMAN_DIR/brief.md" && rw done'

STORIES: dict[str, tuple[list[JsonObject], JsonObject]] = {
    "asks": ([shell(f'{ASK} && rw done "told: $answer" --output pr=https://example.org/1')], {}),
    "two": ([shell('rw ask --wait 0 "One?"; rw ask --wait 0 "Two?"; rw ask --wait 600 "One?" && rw ask --wait 600 "Two?"')], {}),
    "across": (
        [shell(f'[ "$RUNWATCHMAN_ATTEMPT" = 0 ] && {{ rw ask --wait 3 "Ship it?" yes no; exit 1; }}; {ASK} && rw done "$answer"')],
        {},
    ),
    "parked": (
        [shell('rw ask --wait 0 "Go on?" && rw done || { grep -q yes "$RUNWATCHMAN_DIR/brief.md" && rw done; } || exec rw park')],
        {},
    ),
    "nags": ([shell('rw ask --wait 0 "may I?"; exec rw park')], {}),
    "heeds": ([shell(HEEDS)], {}),
    "hung": ([shell(f'[ "$RUNWATCHMAN_ATTEMPT" = 0 ] && {SLEEPY}; rw done again')], {"policyRef": {"name": "hung"}}),
    "busy": ([shell(BUSY, resources=A_FIFTH)], {"policyRef": {"name": "busy"}}),
    "loop": ([shell(f"rw progress started; {BUSY}", resources=A_FIFTH)], {"policyRef": {"name": "loop"}}),
    "late": ([shell(ASK)], {"policyRef": {"name": "late"}}),
    "sibling": ([shell(ASK), {"name": "tester", **shell('[ "$RUNWATCHMAN_ATTEMPT" = 1 ] || { sleep 4; exit 1; }')}], {}),
    "tokens": ([shell(f"rw usage 600 500; {SLEEPY}")], {"tokenBudget": 1000}),
    "noresult": ([shell("exit 0")], {"policyRef": {"name": "strict"}}),
    # Kubernetes replaces two dollars by one.
    "apart": ([shell("[ $$$$ = 1 ] && rw done")], {"policyRef": {"name": "apart"}}),
    "off": ([shell("test ! -e /usr/local/bin/rw")], {"policyRef": {"name": "off"}}),
}


@pytest.fixture(scope="module")
def stage(kind_cluster: Cluster, reporting: Installed) -> Iterator[Stage]:
    """The operator with reporters, and every story's Run."""
    namespace = f"t-{uuid.uuid4().hex[:8]}"
    kind_cluster.kubectl("create", "namespace", namespace)
    policies = [policy_of(spec, name) for name, spec in POLICIES.items()]
    apply(kind_cluster, namespace, *policies, *(run_of(name, *agents, **spec) for name, (agents, spec) in STORIES.items()))
    yield Stage(kind_cluster, namespace)
    kind_cluster.kubectl("delete", "namespace", namespace, "--wait=false")


def test_an_agent_asks_and_goes_on_with_the_answer(stage: Stage) -> None:
    """Any number of passes create one escalation; the answer reaches the agent; its result is in the status."""
    [escalation] = stage.asked("asks")
    assert stage.phase("asks", "AwaitingGuidance")["openEscalations"] == 1
    assert (escalation["spec"]["text"], escalation["spec"]["options"]) == ("Ship it?", ["yes", "no"])
    stage.answer(escalation, "yes")
    found = stage.phase("asks", "Completed")
    assert found["agents"][0]["result"] == {
        "outcome": "Completed",
        "summary": "told: yes",
        "outputs": {"pr": "https://example.org/1"},
    }
    assert [e["status"]["phase"] for e in stage.escalations("asks")] == ["Delivered"]
    said = "Completed: 1 required agent completed; coder: told: yes (pr=https://example.org/1)"
    events = items(stage.cluster, stage.namespace, "events")
    assert [e["message"] for e in events if e["reason"] == "AllAgentsComplete" and e["involvedObject"]["name"] == "asks"] == [said]


def test_two_questions_at_once(stage: Stage) -> None:
    """Two open escalations are answered in any order."""
    found = {e["spec"]["text"]: e for e in stage.asked("two", 2)}
    stage.answer(found["Two?"], "2")
    stage.answer(found["One?"], "1")
    stage.phase("two", "Completed")
    assert {e["status"]["phase"] for e in stage.escalations("two")} == {"Delivered"}


def test_a_question_across_a_restart_is_the_same_question(stage: Stage) -> None:
    """The agent crashes before the human's answer; its next attempt asks the same question and gets the answer."""
    await_that(lambda: status(stage.cluster, stage.namespace, "across").get("restarts") == 1, "the restart", LONG)
    [escalation] = stage.asked("across")
    stage.answer(escalation, "no")
    assert stage.phase("across", "Completed")["agents"][0]["result"]["summary"] == "no"
    assert len(stage.escalations("across")) == 1


def test_a_parked_agent_has_no_pod_until_it_is_answered(stage: Stage) -> None:
    """A parked agent's pod has ended without a charge; the answer starts the next attempt and is in its brief."""
    [escalation] = stage.asked("parked")
    await_that(lambda: _agent(stage, "parked").get("outcome") == "Parked", "parked", LONG)
    pods = [
        p["metadata"]["name"] for p in items(stage.cluster, stage.namespace, "pods") if "-parked-" in f"-{p['metadata']['name']}"
    ]
    assert pods == ["parked-coder-r0"]
    assert stage.phase("parked", "AwaitingGuidance")["agents"][0]["reason"] == "Parked"
    stage.answer(escalation, "yes")
    found = stage.phase("parked", "Completed")
    assert (found["restarts"], found["agents"][0]["attempt"]) == (0, 1)


def test_a_dismissal_wakes_a_parked_agent_once(stage: Stage) -> None:
    """An agent that repeats the question and parks again is charged for each attempt until its budget is spent; no human is
    asked again.
    """
    [escalation] = stage.asked("nags")
    await_that(lambda: _agent(stage, "nags").get("outcome") == "Parked", "parked", LONG)
    _dismiss(stage, escalation)
    found = stage.phase("nags", "Blocked")
    assert (found["reason"], found["restarts"], found["agents"][0]["attempt"]) == ("RestartBudgetSpent", 3, 4)
    assert [e["spec"]["type"] for e in stage.escalations("nags")] == ["Blocked"]
    assert "ParkedWithoutQuestion" in stage.escalations("nags")[0]["spec"]["text"]


def test_the_next_attempt_learns_that_its_question_was_dismissed(stage: Stage) -> None:
    """`rw ask` exits 4, and the brief has the dismissal; the one additional attempt is not charged."""
    [escalation] = stage.asked("heeds")
    _dismiss(stage, escalation)
    found = stage.phase("heeds", "Completed")
    assert (found["restarts"], found["agents"][0]["attempt"]) == (0, 1)
    assert stage.escalations("heeds") == []


def _dismiss(stage: Stage, escalation: JsonObject) -> None:
    """Dismiss a question as a human does: by deleting it."""
    stage.cluster.kubectl("-n", stage.namespace, "delete", "escalation", escalation["metadata"]["name"])


def test_a_hung_agent_is_restarted(stage: Stage) -> None:
    """The agent neither exits nor works: its own reports show that, and it gets its next attempt."""
    found = stage.phase("hung", "Completed")
    assert (found["restarts"], found["agents"][0]["attempt"]) == (1, 1)


def test_a_looping_agent_is_escalated_and_stopped_when_nobody_answers(stage: Stage) -> None:
    """The agent works without progress: a human is asked with its usage; then it is stopped as stale."""
    found = stage.phase("loop", "Failed")
    assert found["reason"] == "StaleRun"
    [escalation] = stage.escalations("loop")
    assert escalation["status"]["phase"] == "Expired"
    assert "Without progress for" in escalation["spec"]["text"]
    assert found["restarts"] == 0


def test_an_unanswered_question_stops_the_run_in_time(stage: Stage) -> None:
    """questionTimeoutSeconds: the Run fails, the escalation expires."""
    assert stage.phase("late", "Failed")["reason"] == "QuestionTimeout"
    await_that(lambda: [e["status"]["phase"] for e in stage.escalations("late")] == ["Expired"], "expired", LONG)


def test_a_sibling_dies_during_a_question(stage: Stage) -> None:
    """One agent waits for a human while the other crashes and is restarted."""
    await_that(lambda: _agent(stage, "sibling", "tester").get("outcome") == "Completed", "the sibling's second attempt", LONG)
    [escalation] = stage.asked("sibling")
    assert stage.phase("sibling", "AwaitingGuidance")["restarts"] == 1
    stage.answer(escalation, "yes")
    stage.phase("sibling", "Completed")


def test_a_token_budget_stops_the_run(stage: Stage) -> None:
    """tokenBudget: the usage that the agent reports ends the Run, and is in its status."""
    found = stage.phase("tokens", "Failed")
    assert found["reason"] == "TokenBudgetExceeded"
    assert (found["usage"]["inputTokens"], found["usage"]["outputTokens"]) == (600, 500)


def test_a_required_result_is_missed(stage: Stage) -> None:
    """requireResult: an exit with 0 is not enough."""
    assert stage.phase("noresult", "Blocked")["agents"][0]["message"].startswith("attempt 0 ended with ResultMissing")


def test_without_a_reporter_it_runs_as_ever(stage: Stage) -> None:
    """reporter: Off: no sidecar, no `rw`, and the status lists the missing functions."""
    assert condition(stage.phase("off", "Completed"), "ProgressReported") == ("False", "ReporterOff")


def test_without_a_shared_process_namespace_less_is_seen(stage: Stage) -> None:
    """reporter: NoSharedPID: the agent is process 1 in its container, its files count as activity, and the status reports it."""
    assert condition(stage.phase("apart", "Completed"), "ProgressReported") == ("False", "ProcessesNotSeen")


def test_a_silent_compile_is_left_alone(stage: Stage) -> None:
    """Comes last, since the agent has to outlive three times staleRunAgeSeconds: busy without a report, and not touched."""

    def old_enough() -> bool:
        pod = get(stage.cluster, stage.namespace, "pod", "busy-coder-r0")
        started = datetime.fromisoformat(pod["status"]["startTime"])
        path = f"/apis/runwatchman.dev/v1alpha1/namespaces/{stage.namespace}/agentreports/busy-coder"
        report = json.loads(stage.cluster.kubectl("get", "--raw", path))
        stamps = [e["time"] for e in report["metadata"]["managedFields"] if e.get("subresource") == "status"]
        return max(map(datetime.fromisoformat, stamps)) - started > timedelta(seconds=3 * STALE_SECONDS)

    await_that(old_enough, "three times staleRunAgeSeconds", LONG)
    found = stage.phase("busy", "Running")
    assert (found["restarts"], found["agents"][0]["attempt"]) == (0, 0)
    assert condition(found, "ProgressReported") == ("False", "SilentAgent")


def _agent(stage: Stage, run: str, name: str = "coder") -> JsonObject:
    agents = status(stage.cluster, stage.namespace, run).get("agents", [])
    return next((agent for agent in agents if agent["name"] == name), {})
