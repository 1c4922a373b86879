"""Decides whether an agent gets a new attempt: within the budget, after the cooldown, or only with a human's help."""

from __future__ import annotations

from collections.abc import Callable

from controller.api.llm_policy import Approvable
from controller.api.operator_state import LastFailure, Outcome
from controller.api.policy import OnBudgetSpent, OnRepeatedFailures, OutcomeAction, RunPolicySpec
from controller.api.run import Agent
from controller.plan.actions import ReserveAttempt
from controller.plan.attempts import agent_end, repeated_failures
from controller.plan.attempts.budget import FREE_RESTART_LIMIT, budget_left, free_left, limited_left
from controller.plan.context import PlanContext
from controller.plan.decisions import AgentDecision, Wait
from controller.plan.escalations import approvals, blocked
from controller.plan.intents import Charge
from controller.plan.model import Block
from controller.plan.outcomes import action_for, known
from controller.plan.reasons import Reason
from controller.plan.snapshot import PodFacts
from controller.plan.tasks import task_blocks


def after(at: PlanContext, agent: Agent, outcome: Outcome, policy: RunPolicySpec) -> AgentDecision:
    """Return the decision after an attempt that ended without completing."""
    action = action_for(outcome, policy)
    if action in RETRIES and (repeated := task_blocks.repeated(at, agent.name)):
        return AgentDecision(block=repeated)
    match action:
        case OutcomeAction.ESCALATE:
            return AgentDecision(block=blocked.outcome_escalated(at, agent.name, outcome))
        case OutcomeAction.RETRY:
            return _retry(at, agent, outcome, policy)
        case OutcomeAction.RETRY_FREE:
            return _retry_free(at, agent, outcome)
        case _:
            return AgentDecision()


RETRIES = (OutcomeAction.RETRY, OutcomeAction.RETRY_FREE)
"""Actions that give an agent another attempt."""


def _retry(at: PlanContext, agent: Agent, outcome: Outcome, policy: RunPolicySpec) -> AgentDecision:
    """Return the decision after a failure that a charged restart may help against, unless it has come too often in a row."""
    if failure := repeated_failures.of_ended(at, agent.name):
        return AgentDecision(block=blocked.repeated_failures(at, agent.name, outcome, failure.times))
    spent = blocked.budget_spent(at, agent.name, outcome, policy.restart_budget)
    return charged(at, agent, policy, known(outcome), spent)


def _retry_free(at: PlanContext, agent: Agent, outcome: Outcome) -> AgentDecision:
    """Return the decision after an end that the agent is not at fault for. A limit is waited for at the next start, not here."""
    if known(outcome) is Reason.PROVIDER_LIMITED and limited_left(at, agent.name) > 0:
        return reserve(at, agent, Reason.PROVIDER_LIMITED, Charge.UNCHARGED)
    if free_left(at, agent.name) <= 0:
        return AgentDecision(block=blocked.free_restarts_spent(at, agent.name, outcome, FREE_RESTART_LIMIT))
    return _cooled(at, agent, known(outcome), lambda: reserve(at, agent, known(outcome), Charge.FREE))


def unready(at: PlanContext, agent: Agent, pod: PodFacts, policy: RunPolicySpec) -> AgentDecision:
    """Return the decision for a live agent that is confirmed unready."""
    return _live(at, agent, policy, Reason.UNREADY, blocked.unready_budget_spent(pod, policy.restart_budget))


def stalled(at: PlanContext, agent: Agent, pod: PodFacts, policy: RunPolicySpec) -> AgentDecision:
    """Return the decision for a live agent that is proven to be idle."""
    return _live(at, agent, policy, Reason.ACTIVITY_STALLED, blocked.stalled_budget_spent(pod, policy.restart_budget))


def _live(at: PlanContext, agent: Agent, policy: RunPolicySpec, reason: Reason, spent: Block) -> AgentDecision:
    failure = repeated_failures.of_live(at, agent.name, reason)
    if repeated_failures.is_reached(at, failure):
        return AgentDecision(block=blocked.repeated_while_live(spent, failure.times))
    return charged(at, agent, policy, reason, spent)


def charged(at: PlanContext, agent: Agent, policy: RunPolicySpec, reason: Reason, spent: Block) -> AgentDecision:
    """Return a charged restart, the wait for it, or the block if the budget is spent."""
    left = budget_left(at, agent.name, policy)
    if left <= 0:
        return AgentDecision(block=spent)
    return _cooled(at, agent, reason, lambda: _approved(at, agent, reason, spent.cause))


def _approved(at: PlanContext, agent: Agent, reason: Reason, cause: str) -> AgentDecision:
    held = approvals.require_approval(at, agent.name, Approvable.RESTART, reason, cause)
    return held or reserve(at, agent, reason, Charge.BUDGET)


def reserve(at: PlanContext, agent: Agent, reason: Reason, charge: Charge) -> AgentDecision:
    """Return the reservation of the agent's next attempt: attempt, charge and cooldown are saved before any effect."""
    attempt = at.agent_state(agent.name).attempt + 1
    return AgentDecision((ReserveAttempt(reason=reason, agent=agent.name, attempt=attempt, charge=charge),))


def fails_the_run(at: PlanContext, agent: Agent) -> tuple[Reason, str] | None:
    """Return why a required agent's end is the Run's end by its policy, None if it is not."""
    outcome, policy = at.outcome(agent.name), at.policy
    if outcome is None or policy is None or at.work_done(agent.name) or agent_end.remains(at, agent.name):
        return None
    text = f"agent {agent.name}, attempt {outcome.attempt}: {outcome.reason}: {outcome.message}"
    action = action_for(outcome, policy)
    if action is OutcomeAction.FAIL:
        return Reason.AGENT_FAILED, text
    if action is OutcomeAction.RETRY and (failure := repeated_failures.of_ended(at, agent.name)):
        return _of_repeated(policy, failure, text)
    spent = action is OutcomeAction.RETRY and budget_left(at, agent.name, policy) <= 0
    if spent and policy.on_budget_spent is OnBudgetSpent.FAIL:
        return Reason.BUDGET_SPENT, f"{text}; all {policy.restart_budget} charged restarts are spent (restartBudget)"
    return None


def _of_repeated(policy: RunPolicySpec, failure: LastFailure, text: str) -> tuple[Reason, str] | None:
    """Return why the same failure in a row ends the Run; None if a human is asked, whatever is left of the budget."""
    if policy.repeated_failures is None or policy.repeated_failures.action is not OnRepeatedFailures.FAIL:
        return None
    return Reason.REPEATED_FAILURES, f"{text}; the same failure {failure.times} times in a row (repeatedFailures)"


def _cooled(at: PlanContext, agent: Agent, reason: Reason, then: Callable[[], AgentDecision]) -> AgentDecision:
    until = at.agent_state(agent.name).cooldown_until
    if until is None or at.now >= until:
        return then()
    text = f"agent {agent.name}: {reason}; it is restarted after its cooldown, at {until:%H:%M:%S} UTC"
    return AgentDecision(hold=Wait(Reason.COOLDOWN, text, until))
