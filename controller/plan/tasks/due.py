"""Which task is due for an agent's completed attempt, and which pods of tasks that leaves behind.

An agent's tasks have an order: attempt, kind, try. A state has a position in it, so a task's pod is before, at or after the state.
"""

from __future__ import annotations

from typing import NamedTuple

from controller.api.names import task_label
from controller.api.operator_state import AgentState
from controller.api.run import Agent
from controller.api.tasks import TaskKind
from controller.api.verification import VerificationResult
from controller.plan.snapshot import PodFacts


def attempt_of(state: AgentState) -> int:
    """Return the attempt whose work the tasks are about: the one that has ended."""
    return state.outcome.attempt if state.outcome else state.attempt


def next_task(agent: Agent, state: AgentState) -> TaskKind | None:
    """Return the first task that the agent's spec asks for and that has not succeeded for the attempt whose work is done."""
    attempt = attempt_of(state)
    if agent.verify is not None and not is_verified(state, attempt):
        return TaskKind.VERIFY
    if agent.publish is not None and (state.published is None or state.published.attempt != attempt):
        return TaskKind.PUBLISH
    return None


def is_verified(state: AgentState, attempt: int) -> bool:
    """Whether the verification of this very attempt has passed."""
    found = state.verification
    return found is not None and found.attempt == attempt and found.result is VerificationResult.PASSED


class Position(NamedTuple):
    """A place in the order of an agent's tasks: of the pod of one, or of a state."""

    attempt: int
    kind: int
    number: int


KINDS = tuple(TaskKind)
LABELS = tuple(map(task_label, KINDS))
BEFORE, AFTER = -1, len(KINDS)
"""Places of a state before and after all tasks of its attempt."""


def position_of(pod: PodFacts) -> Position:
    """Return the place of the pod of a task."""
    return Position(pod.attempt, LABELS.index(pod.task), pod.task_number)


def position(state: AgentState, kind: TaskKind | None) -> Position:
    """Return the place of a state whose due task is `kind`, None if none is."""
    if state.outcome is None:
        return Position(state.attempt, BEFORE, 0)
    if kind is None:
        return Position(state.outcome.attempt, AFTER, 0)
    number = state.task.number if state.task and state.task.kind is kind else 0
    return Position(state.outcome.attempt, KINDS.index(kind), number)
