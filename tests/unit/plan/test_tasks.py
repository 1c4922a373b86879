"""The tasks that follow an agent's completed attempt: how their pods start, and what people see of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from controller.api.base import JsonObject
from controller.api.names import named_task
from controller.api.operator_state import AgentState
from controller.api.phases import Health, Phase
from controller.api.policy import RunPolicySpec
from controller.facts.pods import pod_facts
from controller.plan import plan
from controller.plan.actions import AdoptTask, CreateEscalation, CreateTask, Terminate, Ungate
from controller.plan.reads import expected_pod_names
from controller.plan.reasons import Reason
from controller.plan.snapshot import PodFacts, Snapshot
from controller.plan.transitions import apply
from controller.status.status import build_status
from tests.builders import a_pod
from tests.unit.plan.stories import NOW
from tests.unit.plan.task_situations import (
    TREE,
    agent_of,
    agents_pod,
    done,
    ended,
    reason_of,
    recorded,
    situation,
    started,
    steps,
    task_pod,
)


def test_a_try_is_created_adopted_started_and_awaited() -> None:
    """Each step follows from the state and the cluster alone; the gate goes only after the UID is in the state."""
    gated = task_pod(phase="Pending", bound=False, gated=True, started_at=None, ready=False)
    created = plan(situation(done()), NOW)
    assert [(type(action), action.pod) for action in created.actions if isinstance(action, CreateTask)] == [
        (CreateTask, "demo-coder-r0-verify0")
    ]
    assert reason_of(created)[0] is Phase.RUNNING
    assert steps(situation(done(), gated)) == [AdoptTask]
    adopted = situation(done(), gated)
    adopted = replace(adopted, state=apply(adopted, next(iter(plan(adopted, NOW).actions)), NOW))  # type: ignore[arg-type]  # it is AdoptTask
    assert agent_of(adopted).task == started()
    (ungate,) = plan(adopted, NOW).actions
    assert isinstance(ungate, Ungate)
    assert (ungate.pod, ungate.pod_uid) == ("demo-coder-r0-verify0", "t0")
    running = plan(situation(done(started()), task_pod()), NOW)
    assert (running.actions, reason_of(running)) == ((), (Phase.RUNNING, Reason.VERIFYING))
    assert running.verdict.next_check == NOW + timedelta(seconds=60)
    assert [(view.health, view.reason) for view in running.agents] == [(Health.HEALTHY, Reason.VERIFYING)]


def test_a_pod_without_its_gate_that_no_state_names_is_left_alone() -> None:
    """Somebody else has removed the gate, or a newer state names it: a human is asked, and nothing is started beside it."""
    found = plan(situation(done(), task_pod()), NOW)
    assert {type(action) for action in found.actions} <= {CreateEscalation}
    assert found.verdict.reason is Reason.STATE_REFUSED


@pytest.mark.parametrize(
    "other",
    [
        replace(agents_pod(1), phase="Running", termination=None),
        replace(task_pod(1), uid="t1"),
    ],
    ids=["a pod of another attempt", "the pod of another try"],
)
def test_no_try_is_created_beside_another_live_pod(other: PodFacts) -> None:
    """The agent has one live pod at a time, whichever it is."""
    found = plan(situation(done(), other), NOW)
    assert not any(isinstance(action, CreateTask | AdoptTask) for action in found.actions)
    assert found.verdict.reason is Reason.PREDECESSOR_ENDING


def test_the_rest_of_the_agents_pod_is_ended_first() -> None:
    """A helper beside the agent runs on; the workspace is copied only after it has ended."""
    beside = replace(agents_pod(), phase="Running")
    snapshot = situation(done())
    assert steps(replace(snapshot, pods=(beside,))) == [Terminate]


def test_without_a_policy_nothing_new_starts() -> None:
    """A try that is named still gets its start; a new one waits for the policy."""
    snapshot = replace(situation(done()), policy=None, policy_refusal="RunPolicy default cannot be read")
    assert plan(snapshot, NOW).actions == ()


def test_a_dry_run_creates_no_task() -> None:
    """The creation is only shown."""
    decision = plan(situation(done(), policy=RunPolicySpec(dry_run=True)), NOW)
    assert decision.actions == ()
    assert [type(action) for action in decision.withheld] == [CreateTask]


def test_live_reads_include_the_pod_of_the_due_task() -> None:
    """A cache may lack it: the pod of the named try, or of the first one."""
    assert expected_pod_names(situation(done())) == {"demo-coder-r0", "demo-coder-r0-verify0"}
    assert expected_pod_names(situation(done(started(number=3)))) == {"demo-coder-r0", "demo-coder-r0-verify3"}
    assert expected_pod_names(situation(done(), verify=None)) == {"demo-coder-r0"}


def test_an_agent_without_tasks_completes_as_before() -> None:
    """Nothing changes for a spec without verify and publish."""
    assert plan(situation(done(), verify=None), NOW).rule == "completed"


def test_the_facts_of_a_tasks_pod() -> None:
    """The container of the task's name is judged, in any order, and the end of its output is kept."""
    containers = [{"name": "proxy"}, {"name": "verify"}]
    output = "x" * 5000 + "\nE assert 3 == 4\n"
    statuses = [
        {"name": "proxy", "state": {"running": {}}},
        {"name": "verify", "state": {"terminated": {"exitCode": 1, "reason": "Error", "message": output}}},
    ]
    copied = [{"name": "runwatchman-copy", "state": {"terminated": {"exitCode": 0, "message": f"tree {TREE}\n"}}}]
    status = {"phase": "Running", "containerStatuses": statuses, "initContainerStatuses": copied}
    labels = {"runwatchman.dev/agent": "coder", "runwatchman.dev/attempt": "0", "runwatchman.dev/task": "verify"}
    pod = a_pod({"containers": containers, "restartPolicy": "Never"}, status, name="demo-coder-r0-verify12", labels=labels)
    facts = pod_facts(pod, "agent")
    assert (facts.task, facts.task_number, facts.task_tree, facts.container) == ("verify", 12, TREE, "verify")
    assert facts.termination
    assert (facts.termination.exit_code, facts.agent_ended, facts.terminated) == (1, True, False)
    assert facts.task_words == output[-4096:]


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("demo-coder-r0", None),
        ("demo-coder-r0-verify0", ("verify", 0)),
        ("demo-coder-r12-publish3", ("publish", 3)),
        ("demo-verify0-coder-r0", None),
    ],
)
def test_the_task_in_a_pods_name(name: str, task: tuple[str, int] | None) -> None:
    """Names are built once and never change; a Run's or an agent's name cannot look like a task's."""
    assert named_task(name) == task


def test_what_people_see() -> None:
    """The status has the verification that runs, and then how it ended; the condition follows it."""

    def shown(snapshot: Snapshot) -> tuple[JsonObject | None, tuple[str, str]]:
        status = build_status(snapshot, plan(snapshot, NOW), (), {}, NOW)
        condition = next(c for c in status["conditions"] if c["type"] == "Verified")
        return status["agents"][0].get("verification"), (condition["status"], condition["reason"])

    assert shown(situation(AgentState(pod_uid="c0"))) == (None, ("Unknown", "NotVerified"))
    assert shown(situation(done(started()), task_pod())) == ({"result": "Running", "attempt": 0}, ("Unknown", "Verifying"))
    after = recorded(situation(done(started()), ended(1, task_words="1 failed")))
    assert shown(after) == (
        {"result": "Failed", "attempt": 0, "exitCode": 1, "message": "1 failed"},
        ("False", "VerificationFailed"),
    )
    passed = recorded(situation(done(started()), ended(0)))
    assert shown(passed) == ({"result": "Passed", "attempt": 0, "exitCode": 0}, ("True", "AllVerified"))
    without = situation(done(), verify=None)
    assert not any(c["type"] == "Verified" for c in build_status(without, plan(without, NOW), (), {}, NOW)["conditions"])
