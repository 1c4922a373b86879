"""Counts equal failures of an agent in a row, for the policy's repeatedFailures.

Only failures that cost a charged restart count. A disruption or another uncharged restart neither counts nor ends the row: it shows
nothing about the agent. A long healthy run ends the row, as it gives back the charges.
"""

from __future__ import annotations

from controller.api.operator_state import AgentState, LastFailure, Outcome, OutcomeResult
from controller.api.policy import OutcomeAction, RepeatedFailures, RunPolicySpec
from controller.plan.attempts.budget import is_healthy_long_enough
from controller.plan.context import PlanContext
from controller.plan.failure_digest import attempt_digest
from controller.plan.outcomes import action_for, last_words
from controller.plan.reasons import Reason
from controller.plan.snapshot import PodFacts


def limit(at: PlanContext) -> RepeatedFailures | None:
    """Return the limit of the policy in force, None if it sets none."""
    return at.policy.repeated_failures if at.policy else None


def is_reached(at: PlanContext, failure: LastFailure) -> bool:
    """Whether a failure has occurred as often in a row as the policy allows."""
    most = limit(at)
    return most is not None and failure.times >= most.count


def of_ended(at: PlanContext, agent: str) -> LastFailure | None:
    """Return the failure of the agent's ended attempt if it is one too many, None if not, or if none was counted for its end."""
    state = at.agent_state(agent)
    found, outcome = state.last_failure, state.outcome
    return found if found and outcome and found.attempt == outcome.attempt and is_reached(at, found) else None


def stalls_too_often(policy: RunPolicySpec, state: AgentState | None) -> bool:
    """Whether a human is asked if a live agent with this state stalls, although it has restarts left."""
    most, found = policy.repeated_failures, state.last_failure if state else None
    return most is not None and found is not None and found.digest == STALLED and found.times + 1 >= most.count


STALLED = attempt_digest(Reason.ACTIVITY_STALLED, None, "")
"""The digest of a live agent that does nothing."""


def of_live(at: PlanContext, agent: str, reason: Reason) -> LastFailure:
    """Return the failure of a live agent that is judged by its reason alone: it is unready or stalled."""
    return _next(at, agent, at.agent_state(agent).attempt, attempt_digest(reason, None, ""))


def after_end(at: PlanContext, agent: str, outcome: Outcome, pod: PodFacts | None) -> LastFailure | None:
    """Return the agent's last failure after an attempt's end is recorded."""
    before = at.agent_state(agent).last_failure
    if at.policy is None or outcome.result is not OutcomeResult.FAILED or action_for(outcome, at.policy) is not OutcomeAction.RETRY:
        return before
    digest = attempt_digest(outcome.reason, outcome.exit_code, last_words(outcome, pod))
    return _next(at, agent, outcome.attempt, digest) if limit(at) else None


def after_verification(at: PlanContext, agent: str, state: AgentState) -> LastFailure | None:
    """Return the agent's last failure after the end of a verification is recorded in `state`, which has its own digest."""
    before, outcome, found = at.agent_state(agent).last_failure, state.outcome, state.verification
    failed = outcome is not None and outcome.reason == Reason.VERIFICATION_FAILED
    if at.policy is None or not (failed and outcome and found) or action_for(outcome, at.policy) is not OutcomeAction.RETRY:
        return before
    return _next(at, agent, outcome.attempt, found.digest) if limit(at) else None


def after_restart(at: PlanContext, agent: str, reason: Reason) -> LastFailure | None:
    """Return the agent's last failure after its next attempt is reserved.

    The failure of a live agent is counted with its restart: by the policy, or by a human who was asked about it.
    """
    state = at.agent_state(agent)
    if state.outcome is None and reason in LIVE_FAILURES:
        return of_live(at, agent, reason) if limit(at) else None
    asked = state.blocked is not None and state.blocked.reason == Reason.REPEATED_FAILURES
    if state.outcome is None and state.last_failure and asked and reason is Reason.RETRY_ORDERED:
        return _next(at, agent, state.attempt, state.last_failure.digest)
    return _kept(at, agent, state.attempt)


LIVE_FAILURES = (Reason.UNREADY, Reason.ACTIVITY_STALLED)
"""Reasons of charged restarts of live agents."""


def _next(at: PlanContext, agent: str, attempt: int, digest: str) -> LastFailure:
    """Return one more failure: it continues the row if it is the same. An end that is recorded again does not count again."""
    before = _kept(at, agent, attempt)
    if before is None or before.digest != digest:
        return LastFailure(attempt=attempt, digest=digest)
    return before.model_copy(update={"attempt": attempt, "times": before.times + (before.attempt != attempt)})


def _kept(at: PlanContext, agent: str, attempt: int) -> LastFailure | None:
    """Return the agent's last failure, None if a long healthy run has ended its row since."""
    before = at.agent_state(agent).last_failure
    over = before is not None and before.attempt < attempt and is_healthy_long_enough(at, agent)
    return None if over else before
