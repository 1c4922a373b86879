"""The rule for a running Run: each agent is judged by its own rules, and their decisions become one verdict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from controller.api.phases import Health, Phase
from controller.plan import allowance
from controller.plan.actions import Action, ReserveAttempt, Transition
from controller.plan.agent_health import phase_of, views
from controller.plan.attempts import unreachable
from controller.plan.context import PlanContext
from controller.plan.decisions import AgentDecision, Wait
from controller.plan.escalations.lifecycle import sync_blocked
from controller.plan.model import AgentView, Block, Verdict
from controller.plan.reasons import Reason
from controller.plan.rules import agent_rules
from controller.plan.rules.completion_rules import is_stale, next_end, stale_approval


def supervised(at: PlanContext) -> Verdict:
    """Each agent is judged by its own rules: started, restarted, escalated, or left at its work."""
    moves = {agent.name: agent_rules.judge(at, agent) for agent in at.agents}
    blocks = tuple(block for agent in at.required if (block := moves[agent.name].block))
    stop = (stale_approval(at) or AgentDecision()) if is_stale(at) else AgentDecision()
    actions = [*_one_reservation(moves.values()), *_inbox(at, moves), *stop.actions]
    holds = [move.hold for move in (*moves.values(), stop) if move.hold and not move.block]
    phase, reason, text = _standing(views(at, blocks), holds, blocks)
    return Verdict(phase, reason, text, tuple(actions), _next_check(at, (*moves.values(), stop)), blocks)


def _one_reservation(moves: Iterable[AgentDecision]) -> list[Action]:
    """Return all actions, but only the first reservation: the next one depends on the budget that it leaves."""
    actions = [action for move in moves for action in move.actions]
    first = next((action for action in actions if isinstance(action, ReserveAttempt)), None)
    return [action for action in actions if not isinstance(action, ReserveAttempt) or action is first]


def _inbox(at: PlanContext, moves: Mapping[str, AgentDecision]) -> list[Action]:
    """Return the inbox actions for agents without a state change. Optional agents never ask; without a policy nothing is judged."""
    if at.policy is None:
        return []
    still = (agent for agent in at.required if not any(isinstance(a, Transition) for a in moves[agent.name].actions))
    due = (sync_blocked(at, agent.name, moves[agent.name].block) for agent in still)
    return [action for action in due if action]


def _next_check(at: PlanContext, moves: Iterable[AgentDecision]) -> datetime | None:
    opening = (allowance.opens_again_at(at, agent.name) for agent in at.agents)
    checks = [move.check_at for move in moves] + [move.hold.check_at for move in moves if move.hold]
    doubts = unreachable.check_at(at, at.live_pods()) if at.policy else None
    return min((check for check in (*checks, *opening, doubts, next_end(at)) if check and check > at.now), default=None)


def _standing(seen: tuple[AgentView, ...], holds: list[Wait], blocks: tuple[Block, ...]) -> tuple[Phase, Reason, str]:
    if blocks:
        return Phase.BLOCKED, blocks[0].reason, blocks[0].message
    phase = phase_of(seen)
    if holds:
        first = next((hold for hold in holds if hold.reason is Reason.AWAITING_APPROVAL), holds[0])
        phase = Phase.AWAITING_APPROVAL if first.reason is Reason.AWAITING_APPROVAL else phase
        return phase, first.reason, first.message
    stuck = next((view for view in seen if view.health is Health.STARTING and view.reason != Reason.STARTING), None)
    if stuck is not None:
        return phase, Reason.NOT_STARTING, f"agent {stuck.name}: {stuck.reason}: {stuck.message}"
    reasons = {Phase.QUEUED: Reason.QUEUED, Phase.PENDING: Reason.STARTING}
    return phase, reasons.get(phase, Reason.SUPERVISING), ""
