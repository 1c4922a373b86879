"""Classifies how an attempt ended, by its agent's report or its pod's end (`pod_ends`), and says what follows from that; see
docs/policies.md.
"""

from __future__ import annotations

from collections.abc import Collection

from controller.api.base import MAX_TEXT
from controller.api.operator_state import Outcome, OutcomeResult
from controller.api.policy import OutcomeAction, OutcomeRule, RunPolicySpec
from controller.plan import pod_ends
from controller.plan.reasons import Reason
from controller.plan.snapshot import PodFacts, ReportFacts

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


def _reason(pod: PodFacts, *, ending: bool) -> Reason:
    if pod_ends.finished_its_work(pod):
        return Reason.EXITED_ZERO
    return Reason.INTERRUPTED if ending else pod_ends.failure_of(pod)


def _failed(ending: bool) -> OutcomeResult:
    return OutcomeResult.INTERRUPTED if ending else OutcomeResult.FAILED


def _matches(rule: OutcomeRule, outcome: Outcome) -> bool:
    if rule.action is OutcomeAction.COMPLETE and known(outcome) is Reason.VERIFICATION_FAILED:
        return False
    by_code = not rule.exit_codes or outcome.exit_code in rule.exit_codes
    by_reason = not rule.reasons or bool({outcome.reason, outcome.kubelet_reason} & set(rule.reasons))
    return by_code and by_reason and rule.message_contains in outcome.message


def _of(pod: PodFacts, attempt: int, reason: Reason) -> Outcome:
    end = pod_ends.end_of(pod)
    return Outcome(
        attempt=attempt,
        result=OutcomeResult.FAILED,
        reason=reason,
        kubelet_reason=pod.reason or (end.reason if end else ""),
        message=pod_ends.words(pod, end, reason)[:MAX_TEXT],
        exit_code=end.exit_code if end else None,
        finished_at=end.finished_at if end else None,
    )


def last_words(outcome: Outcome, pod: PodFacts | None) -> str:
    """Return the words of an attempt's end in full: an outcome's message may lack the end of them, which differs most."""
    reason = known(outcome)
    return outcome.message if pod is None or reason in SPOKEN else pod_ends.words(pod, pod_ends.end_of(pod), reason)
