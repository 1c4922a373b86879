"""The step that creates a task's pod, and the brief of the attempt after a failed verification."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

import pytest

from controller.api.base import MAX_OUTPUT, JsonObject
from controller.api.operator_state import AgentState, OperatorState, Outcome, OutcomeResult
from controller.api.publishing import PublishedStatus
from controller.api.tasks import TaskKind
from controller.api.verification import VerificationResult, VerificationState
from controller.cache.run_cache import RunCache
from controller.kube.client import Client
from controller.plan.actions import CreatePod, CreateTask
from controller.plan.reasons import Reason
from controller.plan.snapshot import RunFacts, Snapshot
from controller.reconcile.actions import perform
from controller.reconcile.actions.dependencies import Tools
from tests.unit.tasks.samples import CLONED, COMMIT, IMAGE, PUBLISH, SHORT, TREE, VERIFY, boxes, environment, run_of
from tests.unit.test_creating import Recording
from tests.unit.test_timestamps import NOON

ENDED = Outcome(attempt=1, result=OutcomeResult.COMPLETED, reason=Reason.EXITED_ZERO, finished_at=NOON - timedelta(hours=1))
PASSED = VerificationState(attempt=1, result=VerificationResult.PASSED, exit_code=0, tree=TREE)
FAILED = VerificationState(attempt=1, result=VerificationResult.FAILED, exit_code=2, message="1 failed\n```\nE assert")


def snapshot(run: RunFacts, **state: Any) -> Snapshot:
    """Return what is known of a Run whose agent's attempt 1 is complete."""
    agent = AgentState(**{"attempt": 1, "outcome": ENDED, "source": CLONED, **state})
    return Snapshot(run, state=OperatorState(run_uid="run-1", agents={"coder": agent}))


async def created(kind: TaskKind, seen: Snapshot, image: str | None = IMAGE) -> tuple[JsonObject, Snapshot]:
    """Return the pod that the step creates, empty if it creates none, and what is known afterwards."""
    server = Recording()
    name = f"demo-coder-r1-{kind.lower()}0"
    step = CreateTask(reason=Reason.VERIFYING, agent="coder", attempt=1, pod=name, kind=kind, number=0)
    after = await perform(Tools(cast("Client", server), RunCache(lambda _: None), git_image=image), seen, step)
    return server.pod, after


@pytest.mark.parametrize("kind", TaskKind)
async def test_a_task_is_created(kind: TaskKind) -> None:
    """The pod is part of what is known at once."""
    pod, after = await created(kind, snapshot(run_of(SHORT, verify=VERIFY, publish=PUBLISH), verification=PASSED))
    assert pod["metadata"]["name"] == f"demo-coder-r1-{kind.lower()}0"
    assert [(facts.name, facts.gated, facts.task) for facts in after.pods] == [(pod["metadata"]["name"], True, kind.lower())]


async def test_without_the_image_with_git() -> None:
    """The refusal has the remedy, and nothing is created."""
    pod, after = await created(TaskKind.VERIFY, snapshot(run_of(SHORT, verify=VERIFY)), image=None)
    assert (pod, "set git.image in the chart (--git-image)" in after.refusals[0].message) == ({}, True)


async def test_what_is_pushed() -> None:
    """The verified tree, onto the last published commit, with the time of the attempt's end."""
    seen = snapshot(
        run_of(SHORT, verify=VERIFY, publish=PUBLISH), verification=PASSED, published=PublishedStatus(branch="b", commit=COMMIT)
    )
    pod, _ = await created(TaskKind.PUBLISH, seen)
    found = environment(boxes(pod)["publish"])
    assert {name: found[f"RUNWATCHMAN_PUBLISH_{name}"] for name in ("TREE", "EXPECTED", "DATE")} == {
        "TREE": TREE,
        "EXPECTED": COMMIT,
        "DATE": "2026-01-01T11:00:00Z",
    }


@pytest.mark.parametrize(
    "verification",
    [
        None,
        FAILED,
        PASSED.model_copy(update={"attempt": 0}),
        PASSED.model_copy(update={"tree": None}),
        PASSED.model_copy(update={"result": VerificationResult.RUNNING}),
    ],
)
async def test_nothing_unverified_is_pushed(verification: VerificationState | None) -> None:
    """Without the tree that was verified for this very attempt there is no publishing pod, whatever was planned."""
    pod, after = await created(TaskKind.PUBLISH, snapshot(run_of(SHORT, verify=VERIFY, publish=PUBLISH), verification=verification))
    assert (pod, "the git tree that was verified is not on record" in after.refusals[0].message) == ({}, True)
    pod, after = await created(TaskKind.PUBLISH, snapshot(run_of(SHORT, publish=PUBLISH), verification=verification))
    assert after.refusals == ()


async def brief_of(attempt: int, verification: VerificationState | None) -> str:
    """Return the brief of an attempt."""
    server = Recording()
    seen = snapshot(run_of(SHORT, verify=VERIFY), attempt=attempt, outcome=None, verification=verification)
    step = CreatePod(reason=Reason.STARTING, agent="coder", attempt=attempt, pod=f"demo-coder-r{attempt}")
    await perform(Tools(cast("Client", server), RunCache(lambda _: None), git_image=IMAGE), seen, step)
    return str(server.pod["metadata"]["annotations"]["runwatchman.dev/brief"])


@pytest.mark.parametrize("attempt", [2, 3])
async def test_the_next_brief_has_the_failure(attempt: int) -> None:
    """It begins with the Run's brief, as `rw exec` needs it; the output cannot end its block. A crash in between loses nothing."""
    assert await brief_of(attempt, FAILED) == (
        "do it\n\n## Verification of attempt 1 failed\n\nThe command that checks your work ended with exit code 2. Correct the "
        "work. The end of its output:\n\n````\n1 failed\n```\nE assert\n````"
    )


@pytest.mark.parametrize("verification", [None, PASSED, FAILED.model_copy(update={"attempt": 2})])
async def test_a_brief_without_a_failure(verification: VerificationState | None) -> None:
    """Only an earlier attempt's failure is in it, and none that a later attempt has overcome."""
    assert await brief_of(2, verification) == "do it"


async def test_briefs_of_other_failures() -> None:
    """One without output, one that did not end, and one with as much output as a record holds."""
    assert (await brief_of(2, FAILED.model_copy(update={"message": " \n"}))).endswith("The command has written nothing.")
    assert "your work did not end in time." in await brief_of(2, FAILED.model_copy(update={"exit_code": None}))
    assert "x" * MAX_OUTPUT in await brief_of(2, FAILED.model_copy(update={"message": "x" * MAX_OUTPUT}))
