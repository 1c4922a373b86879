"""How each agent stands, judged from its state and its pod, and the phase that follows for the Run."""

from __future__ import annotations

from controller.api.run import Agent
from controller.api.run_status import Health, Phase
from controller.plan.model import AgentView, Block
from controller.plan.reasons import Reason
from controller.plan.situation import Situation
from controller.plan.snapshot import PodFacts

QUIET_REASONS = frozenset({"", "ContainerCreating", "PodInitializing", "Scheduled"})
"""Waiting reasons that say only that a start takes its time."""


def views(at: Situation, blocks: tuple[Block, ...] = ()) -> tuple[AgentView, ...]:
    """Return how every agent stands, in the order of the spec; a blocked one stands as its block says."""
    told = {block.agent: AgentView(block.agent, block.health, block.reason, block.cause) for block in blocks}
    return tuple(told.get(agent.name) or _view(at, agent) for agent in at.agents)


def phase_of(seen: tuple[AgentView, ...]) -> Phase:
    """Return the phase of an unfinished, unblocked Run whose agents stand like this."""
    healths = {view.health for view in seen}
    if healths & {Health.HEALTHY, Health.UNREADY, Health.COMPLETE, Health.DEAD}:
        return Phase.RUNNING
    return Phase.QUEUED if healths == {Health.QUEUED} else Phase.PENDING


def _view(at: Situation, agent: Agent) -> AgentView:
    outcome = at.outcome(agent.name)
    if outcome is not None:
        health = Health.COMPLETE if at.completed(agent.name) else Health.DEAD
        return AgentView(agent.name, health, outcome.reason, outcome.message)
    if refused := at.refusal(agent.name):
        return AgentView(agent.name, Health.STARTING, Reason.POD_REFUSED, refused)
    pod = at.own_pod(agent.name)
    if pod is None:
        return AgentView(agent.name, Health.STARTING, Reason.STARTING)
    return _of_pod(agent.name, pod)


def _of_pod(name: str, pod: PodFacts) -> AgentView:
    if pod.foreign_gates:
        return AgentView(name, Health.QUEUED, Reason.QUEUED, f"scheduling gate {', '.join(pod.foreign_gates)}")
    if pod.unready_since is not None:
        return AgentView(name, Health.UNREADY, Reason.UNREADY)
    if pod.ready or (pod.phase == "Running" and not pod.waiting_reason):
        return AgentView(name, Health.HEALTHY, Reason.SUPERVISING)
    if pod.waiting_reason in QUIET_REASONS:
        return AgentView(name, Health.STARTING, Reason.STARTING)
    return AgentView(name, Health.STARTING, pod.waiting_reason, pod.waiting_message)
