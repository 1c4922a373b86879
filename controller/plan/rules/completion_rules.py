"""The rules that end a Run: its work is done, its time or tokens are used up, or it cannot continue.

Each returns the decision, which is saved before any pod is ended; `run_rules.RULES` has their order.
"""

from __future__ import annotations

from datetime import datetime

from controller.api.escalation import Decision
from controller.api.llm_policy import Approvable
from controller.api.phases import Phase
from controller.api.run import Agent
from controller.plan.actions import StopRun
from controller.plan.attempts import restarts, stall_detection
from controller.plan.context import PlanContext
from controller.plan.decisions import AgentDecision
from controller.plan.escalations import approvals, questions
from controller.plan.intents import Intent
from controller.plan.model import Block, Verdict
from controller.plan.reasons import Reason
from controller.plan.rules import agent_rules
from controller.plan.usage import tokens


def completed(at: PlanContext) -> Verdict | None:
    """All required agents completed before the deadline, even if that was observed later."""
    if not all(at.completed(agent.name) for agent in at.required):
        return None
    outcomes = [at.outcome(agent.name) for agent in at.required]
    ends = [outcome.finished_at for outcome in outcomes if outcome and outcome.finished_at]
    if at.deadline and any(moment > at.deadline for moment in ends):
        return None
    return end(Phase.COMPLETED, Reason.ALL_AGENTS_COMPLETE, f"{_count(len(at.required))} completed")


def deadline_passed(at: PlanContext) -> Verdict | None:
    """The Run was active for longer than spec.activeDeadlineSeconds."""
    if at.deadline is None or at.now < at.deadline:
        return None
    text = f"the Run was active for longer than {at.spec.active_deadline_seconds} s (spec.activeDeadlineSeconds)"
    return end(Phase.FAILED, Reason.DEADLINE_EXCEEDED, text)


def next_end(at: PlanContext) -> datetime | None:
    """Return when time alone may end the Run next: its deadline, or the last moment for a human to help or answer an agent."""
    waits = (at.agent_state(agent.name).blocked for agent in at.agents)
    ends = (at.deadline, questions.times_out_at(at), *(blocked.expires_at for blocked in waits if blocked))
    return min((moment for moment in ends if moment and moment > at.now), default=None)


def token_budget_exceeded(at: PlanContext) -> Verdict | None:
    """The agents used more tokens than spec.tokenBudget. Work that is done is verified and published without any."""
    budget = at.spec.token_budget
    if budget is None or all(at.work_done(agent.name) for agent in at.required):
        return None
    if sum(tokens(at.usage(agent.name)) for agent in at.agents) <= budget:
        return None
    return end(Phase.FAILED, Reason.TOKEN_BUDGET_EXCEEDED, f"the agents have used more than {budget} tokens (spec.tokenBudget)")


def outcome_fatal(at: PlanContext) -> Verdict | None:
    """A required agent's end is the Run's end, by the policy's outcomes or its onBudgetSpent."""
    for agent in at.required:
        if fatal := restarts.fails_the_run(at, agent):
            return end(Phase.FAILED, *fatal)
    return None


def stop_ordered(at: PlanContext) -> Verdict | None:
    """A human answered an agent's escalation with Stop."""
    for agent in at.agents:
        found = at.standing_escalation(agent.name)
        if found is not None and found.decision is Decision.STOP:
            return end(Phase.FAILED, Reason.STOP_ORDERED, f"{found.by or 'somebody'} answered escalation {found.name} with Stop")
    return None


def unanswered(at: PlanContext) -> Verdict | None:
    """Nobody helped a blocked agent in time."""
    for agent in at.agents:
        standing = at.agent_state(agent.name).blocked
        if standing is None or at.now < standing.expires_at:
            continue
        block = _block(at, agent)
        if block is None or block.patient:
            continue
        if block.reason is Reason.PROGRESS_STALLED:
            return end(Phase.FAILED, Reason.STALE, f"nobody answered in time; {block.message}", Intent.AUTO_STOP_STALE)
        return end(Phase.FAILED, Reason.BLOCKED_TIMEOUT, f"nobody helped in time (blockedTimeoutSeconds); {block.message}")
    return None


def question_timed_out(at: PlanContext) -> Verdict | None:
    """Nobody answered a question in time, and the policy does not wait longer."""
    found = questions.timed_out(at)
    if found is None:
        return None
    return end(Phase.FAILED, Reason.QUESTION_TIMEOUT, f"nobody answered escalation {found.name} in time (questionTimeoutSeconds)")


def stale(at: PlanContext) -> Verdict | None:
    """No unfinished agent makes progress, by its own fresh reports, and nothing else is due for them."""
    if not is_stale(at) or stale_approval(at) is not None:
        return None
    return end(Phase.FAILED, Reason.STALE, STALE_TEXT, Intent.AUTO_STOP_STALE)


STALE_TEXT = "no required agent has reported progress for too long (staleRunAgeSeconds)"


def is_stale(at: PlanContext) -> bool:
    """Whether no unfinished required agent makes progress, and nothing else is due for them."""
    unfinished = [agent for agent in at.required if not at.completed(agent.name)]
    if not unfinished or not all(stall_detection.stale(at, agent) for agent in unfinished):
        return False
    moves = (agent_rules.judge(at, agent) for agent in unfinished)
    return not any(move.actions or move.hold or move.block for move in moves)


def stale_approval(at: PlanContext) -> AgentDecision | None:
    """Return the approval that a stop as stale needs; it is requested in the name of the first unfinished agent."""
    agent = next(agent for agent in at.required if not at.completed(agent.name))
    return approvals.require_approval(at, agent.name, Approvable.STOP_STALE, Reason.STALE, STALE_TEXT)


def end(phase: Phase, reason: Reason, message: str, intent: Intent = Intent.STOP) -> Verdict:
    """Return the decision to end the Run; it is carried out once it is saved."""
    stop = StopRun(intent=intent, reason=reason, phase=phase, message=message)
    return Verdict(Phase.STOPPING, reason, message, (stop,))


def _block(at: PlanContext, agent: Agent) -> Block | None:
    return agent_rules.judge(at, agent).block


def _count(agents: int) -> str:
    return "1 required agent" if agents == 1 else f"all {agents} required agents"
