"""Situations that only a human can end: the block of an agent, with cause and remedy, and the text of its escalation."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from controller.api.escalation import Decision
from controller.api.names import escalation_name
from controller.api.operator_state import Outcome
from controller.api.phases import Health
from controller.api.timestamps import later
from controller.plan.context import PlanContext
from controller.plan.escalations import consultation
from controller.plan.inquiries import Inquiry
from controller.plan.model import Block
from controller.plan.reasons import Reason
from controller.plan.snapshot import PodFacts, ReportFacts
from controller.plan.usage import tokens

FALLBACK_TIMEOUT_SECONDS = 86400
"""How long to wait for a human if no policy can be read: the default of blockedTimeoutSeconds."""


def name_of(at: PlanContext, block: Block) -> str:
    """Return the deterministic name of the block's escalation, so that the same situation never asks twice."""
    run = at.snapshot.run
    return escalation_name(run.name, block.agent, run.uid, block.attempt, block.reason, block.evidence)


def inquiry_of(at: PlanContext, block: Block) -> Inquiry:
    """Return the content of the block's escalation."""
    account = f". {block.account}" if block.account else ""
    text = (
        f"Agent {block.agent} of Run {at.snapshot.run.name}, attempt {block.attempt}: {block.reason.sentence}\n\n"
        f"Cause: {block.cause}{account}\n\nRemedy: {block.remedy}\n\n{block.decisions or _decisions(block)}"
    )
    name = name_of(at, block)
    if block.ending:
        return Inquiry(name, f"{block.agent}: {block.reason}: {block.cause}", text, None, options=(Decision.WAIT,))
    suggestion = consultation.suggestion(at, block.agent, name)
    return Inquiry(name, f"{block.agent}: {block.reason}: {block.cause}", text, expiry(at, block), suggestion=suggestion)


def _decisions(block: Block) -> str:
    return DECISIONS_AT_THE_END if block.ending else DECISIONS


def expiry(at: PlanContext, block: Block) -> datetime:
    """Return until when a human is waited for, starting now."""
    timeout = at.policy.blocked_timeout_seconds if at.policy else FALLBACK_TIMEOUT_SECONDS
    return block.expires_at or later(at.floor, timeout)


DECISIONS = (
    "Retry starts one attempt that is not charged, Stop ends the Run as Failed, Wait extends the time. "
    "If the cause goes away by itself, the escalation is resolved without an answer."
)

DECISIONS_AT_THE_END = (
    "The Run waits for the end of this pod, without a time limit. Wait closes this escalation and changes nothing else. "
    "When the node is back or the pod is gone, the Run continues and the escalation is closed without an answer."
)


def outcome_escalated(at: PlanContext, agent: str, outcome: Outcome) -> Block:
    """An end that a restart would not fix, by the policy or by its exit code."""
    remedy = "fix what it names (a credential, a permission, a setting), then answer Retry"
    return _ended(at, agent, outcome, Reason.OUTCOME_ESCALATED, remedy)


def budget_spent(at: PlanContext, agent: str, outcome: Outcome, budget: int) -> Block:
    """A failure without a charged restart left."""
    remedy = f"all {budget} charged restarts are spent (restartBudget): answer Retry or Stop, or raise the budget in the policy"
    return _ended(at, agent, outcome, Reason.BUDGET_SPENT, remedy)


def repeated_failures(at: PlanContext, agent: str, outcome: Outcome, times: int) -> Block:
    """The same failure as often in a row as the policy allows."""
    cause = f"{_in_a_row(times, outcome.attempt)}: {outcome.reason}: {outcome.message}"
    return Block(agent, at.agent_state(agent).attempt, Reason.REPEATED_FAILURES, Health.DEAD, cause, CHANGE_SOMETHING)


def repeated_while_live(spent: Block, times: int) -> Block:
    """The same for a live agent, given the block that it would have without a charged restart left."""
    cause = f"{_in_a_row(times, spent.attempt)}: {spent.cause}"
    return replace(spent, reason=Reason.REPEATED_FAILURES, cause=cause, remedy=CHANGE_SOMETHING)


CHANGE_SOMETHING = (
    "another attempt would hardly help: change what it names, then answer Retry (repeatedFailures). If the next attempt fails in "
    "the same way, you are asked again"
)


def _in_a_row(times: int, attempt: int) -> str:
    return f"the same failure {times} times in a row, now in attempt {attempt}"


def free_restarts_spent(at: PlanContext, agent: str, outcome: Outcome, limit: int) -> Block:
    """Too many disruptions."""
    remedy = f"it was restarted {limit} times without charge: find what disrupts its pods, then answer Retry"
    return _ended(at, agent, outcome, Reason.FREE_RESTARTS_SPENT, remedy)


def unready_budget_spent(pod: PodFacts, budget: int) -> Block:
    """An unready agent without a charged restart left."""
    remedy = f"all {budget} charged restarts are spent (restartBudget): answer Retry or Stop, or raise the budget in the policy"
    cause = f"pod {pod.name} fails its readiness probe"
    return of_pod(pod, Reason.BUDGET_SPENT, Health.UNREADY, cause, remedy)


def stalled_budget_spent(pod: PodFacts, budget: int) -> Block:
    """An idle agent without a charged restart left."""
    remedy = f"all {budget} charged restarts are spent (restartBudget): answer Retry or Stop, or raise the budget in the policy"
    cause = f"the agent in pod {pod.name} runs and does nothing (health.activityStalledSeconds)"
    return of_pod(pod, Reason.BUDGET_SPENT, Health.ACTIVITY_STALLED, cause, remedy)


def lingering(at: PlanContext, pod: PodFacts) -> Block:
    """An agent that has reported its result and does not exit; its work is not started again."""
    cause = f"the agent in pod {pod.name} has reported its result and does not exit"
    remedy = f"end it: kubectl delete pod {pod.name} -n {at.snapshot.run.namespace}; the reported result counts"
    return of_pod(pod, Reason.LINGERING, Health.ACTIVITY_STALLED, cause, remedy)


def progress_stalled(at: PlanContext, pod: PodFacts, report: ReportFacts, stale_at: datetime | None) -> Block:
    """An agent that is active without progress, perhaps in a loop."""
    cause = f"the agent in pod {pod.name} is active without progress (health.progressStalledSeconds)"
    remedy = "read its logs, then answer Retry, which restarts it, Stop, or Wait"
    since = report.progress_at or pod.started_at or report.reported_at
    minutes = max(0, round((report.reported_at - since).total_seconds() / MINUTE))
    spent = tokens(at.usage(pod.agent))
    restarts = at.agent_state(pod.agent).restarts
    account = f"Without progress for {minutes} min in attempt {pod.attempt}; charged restarts so far: {restarts}, tokens: {spent}."
    if stale_at is not None:
        account += f" Unless somebody answers, the Run is stopped as stale at {stale_at:%Y-%m-%dT%H:%M:%SZ}."
    found = of_pod(pod, Reason.PROGRESS_STALLED, Health.PROGRESS_STALLED, cause, remedy, str(report.progress_events))
    return replace(found, account=account, expires_at=stale_at)


def reporter_silent(pod: PodFacts) -> Block:
    """A reporter that has been silent for long. The agent is not restarted, however long that lasts."""
    cause = f"the reporter in pod {pod.name} sends no reports, so it is unknown whether the agent is active"
    remedy = (
        "let it reach the API server (network policy, egress, RBAC of its ServiceAccount); the agent is not restarted meanwhile"
    )
    return replace(of_pod(pod, Reason.REPORTER_SILENT, Health.REPORTER_SILENT, cause, remedy), patient=True)


MINUTE = 60


def name_taken(at: PlanContext, agent: str, reason: Reason, message: str) -> Block:
    """An object of another owner has the name that the agent needs."""
    attempt = at.agent_state(agent).attempt
    return Block(agent, attempt, reason, Health.PENDING_STALLED, message, "the agent starts once that object is gone")


def namesake_terminating(at: PlanContext, agent: str, message: str) -> Block:
    """A former object of the same name that is not deleted: its node is lost, or somebody's finalizer holds it."""
    remedy = (
        "bring its node back, or, once you are sure that the node is down, delete its Node; for a finalizer, look at its owner; "
        "the agent starts once that object is gone, or create the Run under another name"
    )
    attempt = at.agent_state(agent).attempt
    return Block(agent, attempt, Reason.NAMESAKE_TERMINATING, Health.PENDING_STALLED, message, remedy)


def beyond_policy(at: PlanContext, agent: str, message: str) -> Block:
    """An agent that asks for more than its policy allows; its spec is immutable."""
    remedy = "create a Run that asks for less, or raise the limit in the policy: the agent then starts"
    attempt = at.agent_state(agent).attempt
    return Block(agent, attempt, Reason.BEYOND_POLICY, Health.PENDING_STALLED, message, remedy)


def _ended(at: PlanContext, agent: str, outcome: Outcome, reason: Reason, remedy: str) -> Block:
    cause = f"attempt {outcome.attempt} ended with {outcome.reason}: {outcome.message}"
    return Block(agent, at.agent_state(agent).attempt, reason, Health.DEAD, cause, remedy)


def of_pod(pod: PodFacts, reason: Reason, health: Health, cause: str, remedy: str, key: str = "") -> Block:
    """Return the block of a pod's agent; `key` distinguishes occurrences with the same pod."""
    return Block(pod.agent, pod.attempt, reason, health, cause, remedy, f"{pod.uid} {key}".strip())
