"""The part of a verdict that follows from refused writes: they are left out of this pass, shown, and a human is asked."""

from __future__ import annotations

from dataclasses import replace

from controller.api.escalation import EscalationPhase
from controller.api.phases import Phase
from controller.plan import refused_writes
from controller.plan.actions import Action, Creation, Effect, SetEscalationPhase, Transition, UnblockAgent
from controller.plan.context import PlanContext
from controller.plan.escalations import blocked
from controller.plan.escalations.lifecycle import sync_blocked, wait_at_the_end
from controller.plan.model import Block, Verdict
from controller.plan.reasons import Reason


def with_refusals(at: PlanContext, verdict: Verdict, *, asks: bool) -> Verdict:
    """Return a verdict without the writes that were refused in this pass, and with what follows from the refusals.

    `asks` means that a human is asked here: not for a Run that is gone, and not where a rule asks about each agent itself.
    """
    due = _in_order(at, tuple(action for action in verdict.actions if refused_writes.of(at, action) is None))
    verdict = replace(verdict, actions=due)
    if at.snapshot.refusals:
        check = refused_writes.check_at(at)
        verdict = replace(verdict, next_check=min(verdict.next_check or check, check))
    if not asks or any(isinstance(action, Transition) for action in due):
        return verdict
    return _asking(at, _showing(at, verdict))


def _in_order(at: PlanContext, due: tuple[Action, ...]) -> tuple[Action, ...]:
    """Leave out the end of what is asked about refused writes, as long as these are refused or still to be tried in this pass.

    That is the block in the state, and an escalation that this state does not name: an earlier pass ended after its creation, a
    newer state names it, or the agent is blocked for another refused write.
    """
    untried = [action for action in due if isinstance(action, Creation | Effect) and action.step in refused_writes.WRITES]
    writes = [*at.snapshot.refusals, *(refused_writes.refusal_of(action, "") for action in untried)]
    about = {write.agent for write in writes if write.step != SetEscalationPhase.step}
    named = {blocked.name_of(at, refused_writes.block_of(at, write)) for write in writes if at.agents}
    return tuple(action for action in due if not (_unblocks(at, action, about) or _closes(action, named)))


def _unblocks(at: PlanContext, action: Action, agents: set[str]) -> bool:
    return isinstance(action, UnblockAgent) and action.agent in agents and _stands(at, action.agent)


def _closes(action: Action, escalations: set[str]) -> bool:
    return isinstance(action, SetEscalationPhase) and action.escalation_phase in CLOSED and action.escalation in escalations


CLOSED = frozenset({EscalationPhase.RESOLVED, EscalationPhase.SUPERSEDED, EscalationPhase.EXPIRED})
"""Phases in which nobody is asked any more."""


def _stands(at: PlanContext, agent: str) -> bool:
    return refused_writes.stands(at.agent_state(agent))


def _showing(at: PlanContext, verdict: Verdict) -> Verdict:
    """Show the first refusal as the reason of a Run that does not end, unless a human is asked about another obstacle."""
    if verdict.phase is not Phase.STOPPING or verdict.blocks or not at.snapshot.refusals:
        return verdict
    first = at.snapshot.refusals[0]
    message = "; ".join(filter(None, (verdict.message, refused_writes.text(first))))
    return replace(verdict, reason=refused_writes.reason(first), message=message)


def _asking(at: PlanContext, verdict: Verdict) -> Verdict:
    """Ask a human about refused writes of a Run that ends or has ended, and close what was asked once they succeed."""
    other = {block.agent for block in verdict.blocks}
    agents = [agent.name for agent in at.agents if agent.name not in other]
    blocks = {name: replace(block, ending=True) for name in agents if (block := refused_writes.block(at, name))}
    steps = (_next(at, name, blocks.get(name), verdict.actions) for name in agents)
    more = tuple(step for step in steps if step and refused_writes.of(at, step) is None)
    shown = tuple(blocks.values()) if verdict.phase is Phase.STOPPING else ()
    return replace(verdict, actions=verdict.actions + more, blocks=verdict.blocks + shown)


def _next(at: PlanContext, agent: str, block: Block | None, due: tuple[Action, ...]) -> Action | None:
    """Return the next step of asking, or of closing. A block of another kind is kept until the Run's end is decided."""
    standing, stop = at.agent_state(agent).blocked, at.state.stop if at.state else None
    if block is None:
        over = _stands(at, agent) and not any(action.agent == agent for action in due)
        return UnblockAgent(reason=Reason.CAUSE_GONE, agent=agent) if over else None
    if standing and stop is None and not _stands(at, agent):
        return None
    return wait_at_the_end(at, agent, block) or sync_blocked(at, agent, block)
