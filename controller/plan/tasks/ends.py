"""Classifies how the pod of a task ended: the work's fault, a human's matter, or nobody's fault."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from controller.api.names import COPY_CONTAINER, PUSH_CONTAINER
from controller.api.run import Agent
from controller.api.tasks import TaskKind
from controller.api.timestamps import later
from controller.plan.pod_ends import failure_of, finished_its_work, finished_unasked
from controller.plan.reasons import Reason
from controller.plan.snapshot import PodFacts, Termination
from controller.plan.tasks import publication


class Result(Enum):
    """What follows from the end of a task's pod."""

    PASSED = auto()
    """The task is done."""
    FAILED = auto()
    """The agent's work is not good: its attempt has failed."""
    HELD = auto()
    """Only a human can help."""
    FAULT = auto()
    """The cluster or a server is at fault: the task is tried again, within a limit."""
    INTERRUPTED = auto()
    """The operator ended the pod: the task is tried again."""


@dataclass(frozen=True, slots=True)
class TaskEnd:
    """How a try ended. `exit_code` is None if the deciding container was ended, or never ran."""

    result: Result
    reason: Reason
    message: str = ""
    exit_code: int | None = None


VERDICTS = frozenset(
    {Reason.EXITED_NONZERO, Reason.TEMPORARY, Reason.NO_PERMISSION, Reason.BAD_CONFIGURATION, Reason.OUT_OF_MEMORY}
)
"""Ends by which the container itself says that it has failed. Every other end is the cluster's, or that of an init container."""

TRY_LATER = 75
"""Exit code of images/git/rw-publish if the server was not reached (EX_TEMPFAIL of BSD's sysexits.h)."""

WRONG = 78
"""Exit code of images/git/rw-copy if another copy would fail in the same way: the repository lacks its base, the disk is full."""

PUSH_SECONDS = 600
"""Time limit of a push without a command after it."""


def time_limit(agent: Agent, kind: TaskKind) -> int:
    """Return how many seconds the judged container of a task may run."""
    if kind is TaskKind.VERIFY:
        return agent.verify.timeout_seconds if agent.verify else PUSH_SECONDS
    command = agent.publish.command if agent.publish else None
    return command.timeout_seconds if command else PUSH_SECONDS


def times_out_at(agent: Agent, kind: TaskKind, pod: PodFacts) -> datetime | None:
    """Return when the judged container has run for too long; None before it runs."""
    started = pod.termination.started_at if pod.termination else pod.started_at
    return later(started, time_limit(agent, kind)) if started else None


def end_of(agent: Agent, kind: TaskKind, pod: PodFacts | None) -> TaskEnd:
    """Return how a try ended, given its terminated pod, or None for one that is gone."""
    if pod is None:
        return TaskEnd(Result.FAULT, Reason.VANISHED, "its pod is gone")
    if finished_its_work(pod):
        return _unproven(agent, kind, pod) or TaskEnd(Result.PASSED, Reason.EXITED_ZERO, exit_code=0)
    return _ended_by_us(agent, kind, pod) or _failure(agent, kind, pod)


def _ended_by_us(agent: Agent, kind: TaskKind, pod: PodFacts) -> TaskEnd | None:
    """Return the end of a pod that the operator has ended: at its time limit, for a pause or for a stop; None for another end."""
    limit, end = times_out_at(agent, kind, pod), pod.termination
    if pod.ending_since is None or (end and finished_unasked(pod, end)):
        return None
    if limit and pod.ending_since >= limit:
        return _timed_out(agent, kind, pod)
    return TaskEnd(Result.INTERRUPTED, Reason.INTERRUPTED, "it was ended by a pause or a stop")


def _failure(agent: Agent, kind: TaskKind, pod: PodFacts) -> TaskEnd:
    end, reason = pod.termination, failure_of(pod)
    if pod.init_termination is not None and reason is Reason.INIT_CONTAINER_FAILED:
        return _of_init_container(pod, pod.init_termination)
    if end is None or reason not in VERDICTS:
        return TaskEnd(Result.FAULT, reason, _words(pod, reason))
    return _of_exit(agent, kind, pod, end)


def _unproven(agent: Agent, kind: TaskKind, pod: PodFacts) -> TaskEnd | None:
    """Return the end of a pod that ended well and does not say which tree it has verified, or which commit it has pushed."""
    has_source = agent.workspace is not None and agent.workspace.source is not None
    if kind is TaskKind.VERIFY and has_source and not pod.task_tree:
        text = f"container {COPY_CONTAINER} did not say which tree it has copied"
        return TaskEnd(Result.FAULT, Reason.INIT_CONTAINER_FAILED, text)
    if kind is TaskKind.PUBLISH and not publication.commit_of(pod.pushed_words):
        text = "the container that pushes ended well and did not say which commit it has"
        return TaskEnd(Result.HELD, Reason.PUBLISH_REFUSED, text)
    return None


def _timed_out(agent: Agent, kind: TaskKind, pod: PodFacts) -> TaskEnd:
    text = f"it took longer than {time_limit(agent, kind)} s (timeoutSeconds)"
    words = f"{pod.task_words.rstrip()}\n{text}".lstrip() if kind is TaskKind.VERIFY else text
    if kind is TaskKind.PUBLISH and not _has_command(agent):
        return TaskEnd(Result.FAULT, Reason.TASK_TIMED_OUT, text)
    result = Result.FAILED if kind is TaskKind.VERIFY else Result.HELD
    reason = Reason.VERIFICATION_FAILED if kind is TaskKind.VERIFY else Reason.PUBLISH_COMMAND_FAILED
    return TaskEnd(result, reason, words)


def _of_exit(agent: Agent, kind: TaskKind, pod: PodFacts, end: Termination) -> TaskEnd:
    if kind is TaskKind.VERIFY:
        return TaskEnd(Result.FAILED, Reason.VERIFICATION_FAILED, pod.task_words, end.exit_code)
    if _has_command(agent):
        text = f"exit code {end.exit_code}: {pod.task_words}".removesuffix(": ")
        return TaskEnd(Result.HELD, Reason.PUBLISH_COMMAND_FAILED, text, end.exit_code)
    return _of_push(pod, end)


def _of_init_container(pod: PodFacts, end: Termination) -> TaskEnd:
    """Return the end of a copy, a push before a command, or an init container that admission has added."""
    if end.container == PUSH_CONTAINER:
        return _of_push(pod, end)
    what = "the copy of the workspace failed" if end.container == COPY_CONTAINER else f"init container {end.container} failed"
    text = f"{what}: exit code {end.exit_code}: {end.message}".removesuffix(": ")
    if end.container == COPY_CONTAINER and end.exit_code == WRONG:
        return TaskEnd(Result.HELD, Reason.VERIFICATION_UNAVAILABLE, text)
    return TaskEnd(Result.FAULT, Reason.INIT_CONTAINER_FAILED, text)


def _of_push(pod: PodFacts, end: Termination) -> TaskEnd:
    text = f"exit code {end.exit_code}: {pod.task_words}".removesuffix(": ")
    if end.exit_code == TRY_LATER:
        return TaskEnd(Result.FAULT, Reason.PUBLISH_UNAVAILABLE, text, end.exit_code)
    return TaskEnd(Result.HELD, Reason.PUBLISH_REFUSED, text, end.exit_code)


def _has_command(agent: Agent) -> bool:
    return agent.publish is not None and agent.publish.command is not None


def _words(pod: PodFacts, reason: Reason) -> str:
    parts = [text.strip() for text in (pod.reason, pod.message) if text.strip()]
    return ": ".join((reason.value, *(parts or [reason.sentence])))
