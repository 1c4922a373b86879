"""The publication of verified work: when it is due, what it leaves in the status, and how it fails."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from controller.api.base import JsonObject
from controller.api.escalation import Decision
from controller.api.phases import Phase
from controller.api.tasks import TaskKind, TaskState
from controller.api.verification import VerificationResult, VerificationState
from controller.plan import plan
from controller.plan.actions import CreateEscalation, CreateTask
from controller.plan.reasons import Reason
from controller.plan.snapshot import PodFacts, Snapshot, Termination
from controller.status.status import build_status
from tests.unit.plan.stories import NOW
from tests.unit.plan.task_situations import (
    COMMIT,
    PUBLISH,
    SOURCE,
    TREE,
    agent_of,
    done,
    ended,
    reason_of,
    recorded,
    situation,
    started,
    with_answer,
)


def publishing(task: TaskState | None, *pods: PodFacts, **agent: Any) -> Snapshot:
    """Return a Run whose agent's verified work has to be published."""
    verified = VerificationState(attempt=0, result=VerificationResult.PASSED, exit_code=0, tree=TREE)
    return situation(done(task, verification=verified), *pods, workspace=SOURCE, **({"publish": PUBLISH} | agent))


def test_only_verified_work_is_published() -> None:
    """The publication follows the verification of the same attempt."""
    (create,) = plan(publishing(None), NOW).actions
    assert isinstance(create, CreateTask)
    assert create.pod == "demo-coder-r0-publish0"
    unverified = situation(done(), workspace=SOURCE, publish=PUBLISH)
    of_another = situation(
        done(attempt=1, verification=VerificationState(attempt=0, result=VerificationResult.PASSED, tree=TREE)),
        workspace=SOURCE,
        publish=PUBLISH,
    )
    for snapshot in (unverified, of_another):
        (create,) = plan(snapshot, NOW).actions
        assert isinstance(create, CreateTask)
        assert create.kind is TaskKind.VERIFY


def test_what_was_published() -> None:
    """Branch, commit and what was left out are in the state and the status; the Run completes."""
    words = f"commit {COMMIT}\nleft-out 2: .env, build/core"
    pod = ended(0, kind=TaskKind.PUBLISH, pushed_words=words)
    after = recorded(publishing(started(TaskKind.PUBLISH), pod))
    assert after.state
    assert after.state.stop
    shown = build_status(after, plan(after, NOW), (), {}, NOW)["agents"][0]
    assert shown["published"] == {"attempt": 0, "branch": "agents/demo-coder", "commit": COMMIT, "leftOut": "2: .env, build/core"}


def test_outputs_of_the_command() -> None:
    """NAME=VALUE lines become outputs; other lines are the command's own."""
    command = {"git": {"branch": "work"}, "command": {"command": ["gh", "pr", "create"]}}
    words = "Creating pull request\nPR_URL=https://git.example/team/project/pull/7\n"
    pod = ended(0, kind=TaskKind.PUBLISH, pushed_words=f"commit {COMMIT}", task_words=words)
    after = agent_of(recorded(publishing(started(TaskKind.PUBLISH), pod, publish=command)))
    assert after.published
    assert after.published.outputs == {"PR_URL": "https://git.example/team/project/pull/7"}


@pytest.mark.parametrize(
    ("code", "command", "facts", "reason"),
    [
        (77, False, {}, Reason.PUBLISH_REFUSED),
        (78, False, {}, Reason.PUBLISH_REFUSED),
        (1, False, {}, Reason.PUBLISH_REFUSED),
        (0, False, {"pushed_words": ""}, Reason.PUBLISH_REFUSED),
        (78, True, {"container": "runwatchman-publish"}, Reason.PUBLISH_REFUSED),
        (1, True, {}, Reason.PUBLISH_COMMAND_FAILED),
        (75, True, {}, Reason.PUBLISH_COMMAND_FAILED),
    ],
)
def test_a_refused_publication_asks_a_human(code: int, command: bool, facts: JsonObject, reason: Reason) -> None:
    """Git's words are in the escalation; Retry publishes again, without another attempt of the agent."""
    wanted = PUBLISH | ({"command": {"command": ["gh"]}} if command else {})
    pod = ended(code, kind=TaskKind.PUBLISH, task_words="remote: protected branch")
    if "container" in facts:
        pod = replace(pod, termination=None, init_termination=Termination(code, "Error", container=facts["container"]))
    after = recorded(publishing(started(TaskKind.PUBLISH), pod, publish=wanted))
    decision = plan(after, NOW)
    assert reason_of(decision) == (Phase.BLOCKED, reason)
    (asked,) = decision.actions
    assert isinstance(asked, CreateEscalation)
    assert code == 0 or f"exit code {code}: remote: protected branch" in asked.inquiry.text
    answered = recorded(with_answer(after, asked, Decision.RETRY))
    (create,) = plan(replace(answered, escalations=()), NOW).actions
    assert isinstance(create, CreateTask)
    assert (create.pod, agent_of(answered).attempt) == ("demo-coder-r0-publish1", 0)


def test_a_server_that_is_away_is_tried_again() -> None:
    """Exit code 75 of a push is nobody's fault."""
    state = agent_of(
        recorded(publishing(started(TaskKind.PUBLISH), ended(75, kind=TaskKind.PUBLISH, task_words="no route to host")))
    )
    assert state.task
    assert (state.task.faults, state.task.failure, state.task.message) == (1, "", "exit code 75: no route to host")
