"""The rule for a running Run: each agent is judged by its own rules, and their decisions become one verdict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from controller.api.phases import Health, Phase
from controller.api.run import Agent
from controller.plan import allowance
from controller.plan.actions import Action, ContinueDeadline, ReserveAttempt, SuspendDeadline, Transition
from controller.plan.agent_health import phase_of, views
from controller.plan.attempts import unreachable
from controller.plan.context import PlanContext
from controller.plan.decisions import AgentDecision, Wait
from controller.plan.escalations.lifecycle import sync_blocked
from controller.plan.model import AgentView, Block, Verdict
from controller.plan.providers import starts
from controller.plan.reasons import Reason
from controller.plan.rules import agent_rules
from controller.plan.rules.completion_rules import is_stale, next_end, stale_approval


def supervised(at: PlanContext) -> Verdict:
    """Each agent is judged by its own rules: started, restarted, escalated, or left at its work."""
    moves = {agent.name: agent_rules.judge(at, agent) for agent in at.agents}
    blocks = tuple(block for agent in at.required if (block := moves[agent.name].block))
    stop = (stale_approval(at) or AgentDecision()) if is_stale(at) else AgentDecision()
    actions = [*_one_reservation(moves.values()), *_inbox(at, moves), *stop.actions, *_clock(at, moves)]
    holds = [move.hold for move in (*moves.values(), stop) if move.hold and not move.block]
    phase, reason, text = _standing(views(at, blocks), holds, blocks)
    return Verdict(phase, reason, text + _stands_still(at), tuple(actions), _next_check(at, (*moves.values(), stop)), blocks)


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


def _clock(at: PlanContext, moves: Mapping[str, AgentDecision]) -> list[Action]:
    """Return the step that stops or starts the clock of the deadline, if that is due. It runs from the first pod on."""
    stands, began = at.state is not None and at.state.held_at is not None, at.live_pods() or (at.state and at.state.started_at)
    by = _held_by(at, moves)
    if by and began and not stands:
        return [SuspendDeadline(reason=by)]
    return [ContinueDeadline(reason=Reason.PROVIDER_ADMITS)] if stands and not by else []


def _stands_still(at: PlanContext) -> str:
    """Return the words that a waiting Run adds to the reason of its wait."""
    held = at.state is not None and at.state.held_at is not None and at.spec.active_deadline_seconds is not None
    return "; the deadline stands still (activeDeadlineSeconds)" if held else ""


def _held_by(at: PlanContext, moves: Mapping[str, AgentDecision]) -> Reason | None:
    """Return why providers hold back every agent that is not finished; None if any may work, or waits for something else."""
    held = [starts.held(at, agent.name) for agent in at.agents if not _is_over(at, agent, moves[agent.name])]
    return (held[0].reason or Reason.PROVIDER_CLOSED) if held and held[0] and all(held) else None


def _is_over(at: PlanContext, agent: Agent, move: AgentDecision) -> bool:
    """Whether an agent has completed, or is an optional one that has ended and is not restarted."""
    given_up = not agent.required and at.outcome(agent.name) is not None and not (move.actions or move.hold)
    return at.completed(agent.name) or given_up


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
