"""Mutants of the tasks that follow an agent's work: of the fence around their pods, and of what their ends lead to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any
from unittest.mock import patch

from controller.api.names import named_task, task_pod_name
from controller.api.operator_state import AgentState
from controller.api.tasks import TaskKind, TaskState
from controller.plan import context, outcomes, reads
from controller.plan.actions import AdoptTask, RecordTask, Ungate
from controller.plan.attempts import agent_end, cleanup
from controller.plan.context import PlanContext
from controller.plan.reasons import Reason
from controller.plan.rules import agent_rules
from controller.plan.snapshot import PodFacts
from controller.plan.tasks import due, ends, task_blocks, task_records, task_steps
from controller.plan.tasks.ends import Result, TaskEnd
from tests.model import bridge
from tests.model.mutant import Mutant, agent_rule


def _start_unadopted(at: PlanContext, agent: Any, task: Any) -> Any:
    """Start the gated pod of a try before its UID is saved."""
    step = _before_start(at, agent, task)
    if not isinstance(step, AdoptTask):
        return step
    return Ungate(reason=step.reason, agent=step.agent, attempt=step.attempt, pod=step.pod, pod_uid=step.pod_uid)


_before_start = task_steps._before_start


def _pod_by_name(at: PlanContext, agent: str) -> PodFacts | None:
    """Take the pod with the name of the try for its pod, whatever its UID."""
    state = at.agent_state(agent)
    if state.task is None or not state.task.pod_uid:
        return None
    name = task_pod_name(at.snapshot.run.name, agent, due.attempt_of(state), state.task.kind, state.task.number)
    return next((pod for pod in at.snapshot.pods if pod.name == name), None)


def _beside_the_rest(at: PlanContext, agent: Any) -> Any:
    """Verify while other pods, or the rest of the agent's own pod, are live."""
    with patch.object(agent_end, "remains", lambda *_: None), patch.object(task_steps, "_others", lambda *_: None):
        return agent_rules.verifying(at, agent)


def _or_gated(at: PlanContext, agent: Any, name: str) -> Any:
    """Wait for gated pods, too."""
    pods = tuple(replace(pod, gated=False) for pod in at.snapshot.pods)
    return others(replace(at, snapshot=replace(at.snapshot, pods=pods)), agent, name)


others = task_steps._others


def _only_publish(agent: Any, state: AgentState) -> TaskKind | None:
    return next_task(agent.model_copy(update={"verify": None}), state)


next_task = due.next_task


def _of_any_attempt(state: AgentState, _: int) -> bool:
    return is_verified(state, state.verification.attempt if state.verification else 0)


is_verified = due.is_verified


def _records_while_ending(at: PlanContext) -> Iterator[RecordTask]:
    """Record the end of a try as soon as its pod is being deleted."""
    deleted = tuple(replace(pod, phase="Failed") if pod.task and pod.deleting else pod for pod in at.snapshot.pods)
    yield from records(replace(at, snapshot=replace(at.snapshot, pods=deleted)))


records = task_steps.records


def _without_tasks(snapshot: Any) -> set[str]:
    return {name for name in _expected(snapshot) if not named_task(name)}


_expected = reads.expected_pod_names


def _interrupted_fails(agent: Any, kind: TaskKind, pod: PodFacts | None) -> TaskEnd:
    end = ends.end_of(agent, kind, pod)
    spoiled = kind is TaskKind.VERIFY and end.result in (Result.INTERRUPTED, Result.FAULT)
    return replace(end, result=Result.FAILED, reason=Reason.VERIFICATION_FAILED) if spoiled else end


def _any_end_passes(agent: Any, kind: TaskKind, pod: PodFacts | None) -> TaskEnd:
    end = ends.end_of(agent, kind, pod)
    return replace(end, result=Result.PASSED) if pod and end.result is Result.FAULT else end


def _never_held(task: TaskState, end: TaskEnd, now: datetime) -> TaskState:
    held = end.result is Result.HELD
    found = next_try(task, end, now)
    return found if held else found.model_copy(update={"failure": ""})


next_try = task_records.next_try


def _known_attempts(at: PlanContext, pod: PodFacts) -> bool:
    state = at.agent_state(pod.agent)
    return pod.uid == state.pod_uid or pod.attempt < state.attempt


CHECKING: tuple[Mutant, ...] = (
    Mutant(
        "ungate-without-adopting",
        "the pod of a task is started before its UID is saved",
        ("verify",),
        lambda: [(task_steps, "_before_start", _start_unadopted)],
    ),
    Mutant(
        "task-by-name",
        "the pod of a task is known by its name (record-without-uid)",
        ("verify-stripped",),
        lambda: [(PlanContext, "task_pod", _pod_by_name)],
    ),
    Mutant(
        "verify-beside-agent",
        "work is verified while the rest of its agent's pod runs on",
        ("verify-helper",),
        lambda: agent_rule("verifying", _beside_the_rest),
    ),
    Mutant(
        "gated-is-an-obstacle",
        "a try waits for the gated pod of a later attempt, which a stale look has created (finding 13)",
        ("verify-overtaken",),
        lambda: [(task_steps, "_others", _or_gated)],
    ),
    Mutant(
        "failed-work-is-done",
        "an agent whose work has failed its verification counts as one that completed before its restart",
        ("verify-failed",),
        lambda: [(context, "ANOTHER_IS_DUE", context.ASKED_FOR)],
    ),
    Mutant(
        "publish-unverified",
        "work is published before it is verified",
        ("publish",),
        lambda: [(due, "next_task", _only_publish)],
    ),
    Mutant(
        "completed-without-verification",
        "an agent is complete once its own work is done",
        ("verify",),
        lambda: [(PlanContext, "completed", PlanContext.work_done)],
    ),
    Mutant(
        "verified-once",
        "a verification counts for the attempts after it",
        ("publish-asked",),
        lambda: [(due, "is_verified", _of_any_attempt)],
    ),
    Mutant(
        "recorded-while-ending",
        "the end of a try is recorded while its pod is being deleted",
        ("verify-deleted",),
        lambda: [(task_steps, "records", _records_while_ending)],
    ),
    Mutant(
        "task-not-read",
        "the pod of a task is read only if the cache knows it",
        ("verify-cached",),
        lambda: [(bridge, "expected_pod_names", _without_tasks)],
    ),
    Mutant(
        "disruption-is-failure",
        "a verification that was disrupted counts as a failure of the work",
        ("verify-drained", "verify-paused"),
        lambda: [(task_records, "end_of", _interrupted_fails)],
    ),
    Mutant(
        "disruption-passes",
        "a verification that was disrupted counts as passed",
        ("verify-drained",),
        lambda: [(task_records, "end_of", _any_end_passes)],
    ),
    Mutant(
        "faults-for-ever",
        "a task may fail by nobody's fault without a limit",
        ("verify-rejected", "verify-drained"),
        lambda: [(task_records, "next_try", _never_held)],
    ),
    Mutant(
        "task-released-early",
        "the pod of a task is released before its end is on record",
        ("verify-delayed",),
        lambda: [(cleanup, "_on_record", lambda *_: True)],
    ),
    Mutant(
        "task-works-on",
        "a pause does not end the pods of tasks",
        ("verify-paused",),
        lambda: [(PlanContext, "_known", _known_attempts)],
    ),
    Mutant(
        "said-is-verified",
        "the agent's own report about its work counts after a failed verification",
        ("verify-result",),
        lambda: [(agent_end, "FINAL", outcomes.SPOKEN)],
    ),
    Mutant(
        "repeated-is-retried",
        "a verification that keeps failing in the same way leads to one attempt after another",
        ("verify-repeated",),
        lambda: [(task_blocks, "repeated", lambda *_: None)],
    ),
)
