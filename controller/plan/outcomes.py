"""How an attempt ended, from what the kubelet and the API server said of its pod. First match wins; see DESIGN section 3."""

from __future__ import annotations

from controller.api.run_status import Outcome, OutcomeResult
from controller.plan.model import PodFacts, Termination
from controller.plan.reasons import Reason

OOM_EXIT_CODE = 137
"""128 + SIGKILL. The reason OOMKilled is racy: the kubelet sometimes says Error with this exit code instead."""

START_ERRORS = frozenset({"StartError", "ContainerCannotRun"})
"""The kubelet's reasons for a container that the runtime could not start."""


def classify(pod: PodFacts | None, attempt: int, *, ending: bool) -> Outcome:
    """Say how `attempt` ended, given its terminated pod or None for a vanished one.

    `ending` tells that the Run is being paused or stopped, so that the end was asked for.
    """
    if pod is None:
        reason = Reason.INTERRUPTED if ending else Reason.VANISHED
        return _outcome(attempt, _failed(ending), reason, reason.sentence)
    if finished_its_work(pod):
        return _of(pod, attempt, OutcomeResult.COMPLETED, Reason.EXITED_ZERO)
    if ending:
        return _of(pod, attempt, OutcomeResult.INTERRUPTED, Reason.INTERRUPTED)
    return _of(pod, attempt, OutcomeResult.FAILED, _failure(pod))


def finished_its_work(pod: PodFacts) -> bool:
    """Whether the agent exited with 0 of its own accord: before its pod was told to end."""
    end = pod.termination
    if end is None:
        return pod.phase == "Succeeded"
    if end.exit_code != 0:
        return False
    told = min((moment for moment in (pod.deleted_at, pod.ending_since) if moment), default=None)
    # Both have whole seconds: within one and the same, only the kubelet knows, so the work counts as unfinished.
    return told is None or (end.finished_at is not None and end.finished_at < told)


def _failure(pod: PodFacts) -> Reason:
    end = pod.termination
    if pod.disrupted:
        return Reason.DISRUPTED
    if pod.reason == "Evicted":
        return Reason.EVICTED
    if end is None:
        return Reason.DELETED if pod.deleting else Reason.VANISHED
    if end.reason == "OOMKilled":
        return Reason.OUT_OF_MEMORY
    if end.reason in START_ERRORS:
        return Reason.START_ERROR
    return Reason.DELETED if pod.deleting else Reason.EXITED_NONZERO


def _failed(ending: bool) -> OutcomeResult:
    return OutcomeResult.INTERRUPTED if ending else OutcomeResult.FAILED


def _of(pod: PodFacts, attempt: int, result: OutcomeResult, reason: Reason) -> Outcome:
    end = pod.termination or Termination(exit_code=-1)
    return Outcome(
        attempt=attempt,
        result=result,
        reason=reason,
        message=_words(pod, end, reason)[:MESSAGE_LIMIT],
        exit_code=end.exit_code if pod.termination else None,
        finished_at=end.finished_at,
    )


def _outcome(attempt: int, result: OutcomeResult, reason: Reason, message: str) -> Outcome:
    return Outcome(attempt=attempt, result=result, reason=reason, message=message)


MESSAGE_LIMIT = 1024
"""Characters of the kubelet's words kept on record."""


def _words(pod: PodFacts, end: Termination, reason: Reason) -> str:
    """The recorded cause: the exit code, and the kubelet's own words."""
    parts = []
    if pod.termination:
        parts.append(f"exit code {end.exit_code}")
        if end.exit_code == OOM_EXIT_CODE and reason is not Reason.OUT_OF_MEMORY:
            parts.append("killed by SIGKILL, which may mean out of memory")
    parts += [text.strip() for text in (pod.reason, pod.message, end.message) if text.strip()]
    return ": ".join(parts) or reason.sentence
