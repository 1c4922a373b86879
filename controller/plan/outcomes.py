"""Classifies how an attempt ended, by its pod's status from the kubelet and the API server. The first match wins; see
docs/policies.md.
"""

from __future__ import annotations

from collections.abc import Collection

from controller.api.base import MAX_TEXT
from controller.api.names import SOURCE_CONTAINER
from controller.api.operator_state import Outcome, OutcomeResult
from controller.api.policy import OutcomeAction, OutcomeRule, RunPolicySpec
from controller.plan.reasons import Reason
from controller.plan.snapshot import PodFacts, ReportFacts, Termination

OOM_EXIT_CODE = 137
"""128 + SIGKILL. The reason OOMKilled is racy: the kubelet sometimes reports Error with this exit code instead."""

START_ERRORS = frozenset({"StartError", "ContainerCannotRun"})
"""The kubelet's reasons for a container that the runtime could not start."""

ENDED_BY_NODE = frozenset({"NodeShutdown", "Shutdown", "Terminated", "Preempting"})
"""The kubelet's reasons for pods that it ends for its node's shutdown or for a critical pod (`nodeshutdown` and `preemption` in
the kubelet). Newer kubelets add the condition DisruptionTarget.
"""

UNKNOWN_ENDS = frozenset({"ContainerStatusUnknown", "Unknown"})
"""Reasons of the kubelet and containerd for a container that no longer exists, as after a reboot of its node. The agent is not
at fault.
"""

EXIT_CODES = {75: Reason.TEMPORARY, 77: Reason.NO_PERMISSION, 78: Reason.BAD_CONFIGURATION}
"""Exit codes with their own meaning: EX_TEMPFAIL, EX_NOPERM and EX_CONFIG of BSD's sysexits.h."""

SOURCE_EXIT_CODES = {75: Reason.SOURCE_UNAVAILABLE, 77: Reason.SOURCE_REFUSED, 78: Reason.SOURCE_REFUSED}
"""Exit codes of images/git/rw-clone with their own meaning. Any other end of it is that of an init container."""

DEFAULT_ACTIONS = {
    Reason.RESULT_REPORTED: OutcomeAction.COMPLETE,
    Reason.PARKED: OutcomeAction.RETRY_FREE,
    Reason.EXITED_ZERO: OutcomeAction.COMPLETE,
    Reason.DISRUPTED: OutcomeAction.RETRY_FREE,
    Reason.INTERRUPTED: OutcomeAction.RETRY_FREE,
    Reason.DELETED: OutcomeAction.RETRY_FREE,
    Reason.VANISHED: OutcomeAction.RETRY_FREE,
    Reason.POD_REJECTED: OutcomeAction.RETRY_FREE,
    Reason.POD_FAILED: OutcomeAction.RETRY_FREE,
    Reason.STATUS_UNKNOWN: OutcomeAction.RETRY_FREE,
    Reason.TEMPORARY: OutcomeAction.RETRY_FREE,
    Reason.PROVIDER_LIMITED: OutcomeAction.RETRY_FREE,
    Reason.NO_PERMISSION: OutcomeAction.ESCALATE,
    Reason.BAD_CONFIGURATION: OutcomeAction.ESCALATE,
    Reason.AGENT_MISSING: OutcomeAction.ESCALATE,
    Reason.SOURCE_UNAVAILABLE: OutcomeAction.RETRY_FREE,
    Reason.SOURCE_REFUSED: OutcomeAction.ESCALATE,
    Reason.VERIFICATION_FAILED: OutcomeAction.RETRY,
}
"""Default actions by reason, if the policy has no matching rule; every other reason is a charged Retry."""


def classify(
    pod: PodFacts | None,
    attempt: int,
    policy: RunPolicySpec | None,
    report: ReportFacts | None = None,
    *,
    ending: bool,
    settled: Collection[str] = (),
) -> Outcome:
    """Return how `attempt` ended, given its terminated pod, or None for a vanished one, and the last report of that pod.

    `ending` means that the Run is being paused or stopped, so the end was requested. The policy influences what counts as complete;
    the consequence of a failure is decided when it is acted on, see `action_for`. `settled` are the questions whose answer or
    dismissal the attempt was started with: it cannot park for them again.
    """
    if report is not None and (reported := _reported(report, attempt, pod, settled, ending=ending)):
        return reported
    if pod is None:
        reason = Reason.INTERRUPTED if ending else Reason.VANISHED
        return Outcome(attempt=attempt, result=_failed(ending), reason=reason, message=reason.sentence)
    outcome = _of(pod, attempt, _reason(pod, ending=ending))
    if outcome.reason == Reason.EXITED_ZERO and policy is not None and policy.require_result:
        missing = {"reason": Reason.RESULT_MISSING, "message": Reason.RESULT_MISSING.sentence}
        outcome = outcome.model_copy(update=missing)
    complete = action_for(outcome, policy) is OutcomeAction.COMPLETE
    return outcome.model_copy(update={"result": OutcomeResult.COMPLETED if complete else _failed(ending)})


def limited(outcome: Outcome, report: ReportFacts | None) -> Outcome:
    """Return the outcome of an agent whose provider exists: a temporary failure at a limit of that provider is its own reason."""
    if (
        known(outcome) is not Reason.TEMPORARY
        or outcome.result is not OutcomeResult.FAILED
        or report is None
        or report.limit is None
    ):
        return outcome
    words = f"{report.limit.kind}: {report.limit.message}" if report.limit.message else report.limit.kind
    return outcome.model_copy(update={"reason": Reason.PROVIDER_LIMITED, "message": f"{words}; {outcome.message}"[:MAX_TEXT]})


SPOKEN = frozenset({Reason.RESULT_REPORTED, Reason.FAILURE_REPORTED, Reason.PARKED, Reason.PARKED_WITHOUT_QUESTION})
"""Reasons of ends that the agent itself reported."""


def unjudged(outcome: Outcome) -> Outcome:
    """Return an outcome as it is recorded while no policy is in force.

    A policy may require more than an exit code of 0, so only the agent's own report completes its work then. The consequence is
    decided once a policy is in force.
    """
    return outcome.model_copy(update={"result": OutcomeResult.FAILED}) if known(outcome) is Reason.EXITED_ZERO else outcome


def _reported(report: ReportFacts, attempt: int, pod: PodFacts | None, settled: Collection[str], *, ending: bool) -> Outcome | None:
    """Return the outcome that the agent itself reported; it takes precedence over the kubelet's status."""
    if report.result is not None and report.result.outcome is not None:
        done = report.result.outcome == OutcomeResult.COMPLETED
        result = OutcomeResult.COMPLETED if done else _failed(ending)
        reason = Reason.RESULT_REPORTED if done else Reason.FAILURE_REPORTED
        return _outcome(attempt, result, reason, report.result.summary or reason.sentence, pod)
    if report.parked and not ending:
        return _parked(report, attempt, pod, settled)
    return None


def _parked(report: ReportFacts, attempt: int, pod: PodFacts | None, settled: Collection[str]) -> Outcome:
    """Return the outcome of an agent that parked: it waits, or was answered while it was ending, or asked no new question.

    In the second case it has nothing to wait for, and is not charged. In the third case it fails like any other.
    """
    asked = {q.id for q in report.questions} - set(settled)
    reason = Reason.PARKED if asked else Reason.PARKED_WITHOUT_QUESTION
    result = OutcomeResult.PARKED if asked - set(report.delivered) else OutcomeResult.FAILED
    return _outcome(attempt, result, reason, reason.sentence, pod)


def _outcome(attempt: int, result: OutcomeResult, reason: Reason, message: str, pod: PodFacts | None) -> Outcome:
    end = pod.termination if pod else None
    return Outcome(
        attempt=attempt,
        result=result,
        reason=reason,
        message=message[:MAX_TEXT],
        exit_code=end.exit_code if end else None,
        finished_at=end.finished_at if end else None,
    )


def action_for(outcome: Outcome, policy: RunPolicySpec | None) -> OutcomeAction:
    """Return the action for an attempt's end: the policy's first matching rule, otherwise the default.

    No rule completes an attempt whose verification has failed.
    """
    for rule in policy.outcomes if policy else ():
        if _matches(rule, outcome):
            return rule.action
    if policy is not None and policy.require_result and known(outcome) is Reason.EXITED_ZERO:
        return DEFAULT_ACTIONS.get(Reason.RESULT_MISSING, OutcomeAction.RETRY)
    return DEFAULT_ACTIONS.get(known(outcome), OutcomeAction.RETRY)


def known(outcome: Outcome) -> Reason:
    """Return the outcome's reason as a constant."""
    try:
        return Reason(outcome.reason)
    except ValueError:
        return Reason.AGENT_FAILED


def finished_its_work(pod: PodFacts) -> bool:
    """Whether the agent exited with 0 on its own, before the end of its pod was requested."""
    end = pod.termination
    if end is None:
        return pod.phase == "Succeeded" and not pod.without_agent
    return end.exit_code == 0 and finished_unasked(pod, end)


def finished_unasked(pod: PodFacts, end: Termination) -> bool:
    """Whether a container ended on its own, before the end of its pod was requested."""
    asks = (pod.deleted_at, pod.ending_since, pod.disrupted_at, pod.deadline_at)
    asked_at = min((moment for moment in asks if moment), default=None)
    # All times have whole seconds. Within the same second only the kubelet knows the order, so the end counts as requested.
    return asked_at is None or (end.finished_at is not None and end.finished_at < asked_at)


def _reason(pod: PodFacts, *, ending: bool) -> Reason:
    if finished_its_work(pod):
        return Reason.EXITED_ZERO
    return Reason.INTERRUPTED if ending else failure_of(pod)


def failure_of(pod: PodFacts) -> Reason:
    """Return why a terminated pod did not finish its work."""
    end = _end_of(pod)
    if pod.without_agent:
        return Reason.AGENT_MISSING
    if pod.disrupted_at is not None:
        return Reason.DISRUPTED
    if pod.rejected:
        return Reason.POD_REJECTED
    if pod.reason == "Evicted":
        return Reason.EVICTED
    if pod.reason in ENDED_BY_NODE:
        return Reason.DISRUPTED
    return _of_end(pod, end) if end else _without_end(pod)


def _without_end(pod: PodFacts) -> Reason:
    """Return the reason of a pod whose status has neither the agent's end nor that of an init container."""
    if pod.deleting:
        return Reason.DELETED
    return Reason.POD_DEADLINE if pod.deadline_at else Reason.POD_FAILED


def _of_end(pod: PodFacts, end: Termination) -> Reason:
    if end.reason in UNKNOWN_ENDS:
        return Reason.STATUS_UNKNOWN
    if pod.deleting and not finished_unasked(pod, end):
        return Reason.DELETED
    if pod.deadline_at and not finished_unasked(pod, end):
        return Reason.POD_DEADLINE
    return _of_init_container(end) if end.container else _of_exit(end)


def _of_init_container(end: Termination) -> Reason:
    codes = SOURCE_EXIT_CODES if end.container == SOURCE_CONTAINER else {}
    return codes.get(end.exit_code, Reason.INIT_CONTAINER_FAILED)


def _end_of(pod: PodFacts) -> Termination | None:
    """Return the end that decides: the agent's, or that of the init container that kept the agent from running."""
    return pod.termination or pod.init_termination


def _of_exit(end: Termination) -> Reason:
    if end.reason == "OOMKilled":
        return Reason.OUT_OF_MEMORY
    if end.reason in START_ERRORS:
        return Reason.START_ERROR
    return EXIT_CODES.get(end.exit_code, Reason.EXITED_NONZERO)


def _failed(ending: bool) -> OutcomeResult:
    return OutcomeResult.INTERRUPTED if ending else OutcomeResult.FAILED


def _matches(rule: OutcomeRule, outcome: Outcome) -> bool:
    if rule.action is OutcomeAction.COMPLETE and known(outcome) is Reason.VERIFICATION_FAILED:
        return False
    by_code = not rule.exit_codes or outcome.exit_code in rule.exit_codes
    by_reason = not rule.reasons or bool({outcome.reason, outcome.kubelet_reason} & set(rule.reasons))
    return by_code and by_reason and rule.message_contains in outcome.message


def _of(pod: PodFacts, attempt: int, reason: Reason) -> Outcome:
    end = _end_of(pod)
    return Outcome(
        attempt=attempt,
        result=OutcomeResult.FAILED,
        reason=reason,
        kubelet_reason=pod.reason or (end.reason if end else ""),
        message=_words(pod, end, reason)[:MAX_TEXT],
        exit_code=end.exit_code if end else None,
        finished_at=end.finished_at if end else None,
    )


def last_words(outcome: Outcome, pod: PodFacts | None) -> str:
    """Return the words of an attempt's end in full: an outcome's message may lack the end of them, which differs most."""
    reason = known(outcome)
    return outcome.message if pod is None or reason in SPOKEN else _words(pod, _end_of(pod), reason)


def _words(pod: PodFacts, end: Termination | None, reason: Reason) -> str:
    """Return the recorded cause: the container if it is not the agent's, the exit code, and the kubelet's texts."""
    if reason is Reason.AGENT_MISSING:
        return f"pod {pod.name} has no container {pod.container}"
    parts = _exit_words(end, reason) if end else []
    parts += [text.strip() for text in (pod.reason, pod.message, end.message if end else "") if text.strip()]
    return ": ".join(parts) or reason.sentence


def _exit_words(end: Termination, reason: Reason) -> list[str]:
    parts = [f"init container {end.container}"] if end.container else []
    parts.append(f"exit code {end.exit_code}")
    if end.reason == "OOMKilled" and end.container:
        parts.append("killed for using more memory than its limit")
    elif end.exit_code == OOM_EXIT_CODE and reason is not Reason.OUT_OF_MEMORY:
        parts.append("killed by SIGKILL, which may mean out of memory")
    return parts
