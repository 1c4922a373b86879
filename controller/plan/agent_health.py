"""The health of each agent, by its state and its pod, and the resulting phase of the Run."""

from __future__ import annotations

from controller.api.operator_state import Outcome, OutcomeResult
from controller.api.phases import Health, Phase
from controller.api.run import Agent
from controller.plan import refused_writes
from controller.plan.attempts import stall_detection, unreachable
from controller.plan.context import PlanContext
from controller.plan.escalations import questions
from controller.plan.model import AgentView, Block
from controller.plan.providers import starts
from controller.plan.reasons import Reason
from controller.plan.snapshot import PodFacts
from controller.plan.tasks import task_steps

QUIET_REASONS = frozenset({"", "ContainerCreating", "PodInitializing", "Scheduled"})
"""Waiting reasons that only mean that a start takes time."""


AT_WORK = frozenset(Health) - {Health.STARTING, Health.QUEUED}
"""Healths of agents that have started."""


def views(at: PlanContext, blocks: tuple[Block, ...] = ()) -> tuple[AgentView, ...]:
    """Return each agent's health, in the order of the spec; a blocked agent has its block's."""
    blocked = {block.agent: block for block in blocks}
    return tuple(_of_block(at, agent, blocked[agent.name]) if agent.name in blocked else _view(at, agent) for agent in at.agents)


def phase_of(seen: tuple[AgentView, ...]) -> Phase:
    """Return the phase of an unfinished, unblocked Run with these agents."""
    healths = {view.health for view in seen}
    if Health.AWAITING_GUIDANCE in healths:
        return Phase.AWAITING_GUIDANCE
    if Health.QUEUED in healths and healths <= {Health.QUEUED, Health.COMPLETE}:
        return Phase.QUEUED
    if healths & AT_WORK:
        return Phase.RUNNING
    return Phase.PENDING


def _of_block(at: PlanContext, agent: Agent, block: Block) -> AgentView:
    return AgentView(agent.name, block.health or _view(at, agent).health, block.reason, block.cause)


def _view(at: PlanContext, agent: Agent) -> AgentView:
    if outcome := at.outcome(agent.name):
        return _of_outcome(at, agent, outcome)
    if refusal := refused_writes.of_start(at, agent.name):
        return AgentView(agent.name, Health.STARTING, refused_writes.reason(refusal), refusal.message)
    if held := starts.held(at, agent.name):
        return AgentView(agent.name, Health.QUEUED, held.reason or "", held.message)
    pod = at.own_pod(agent.name)
    if pod is None:
        return AgentView(agent.name, Health.STARTING, Reason.STARTING)
    if pod.node_lost_since and not pod.agent_ended:
        return AgentView(agent.name, Health.UNREACHABLE, Reason.UNREACHABLE, unreachable.words(pod))
    return _of_report(at, agent, pod) or _of_pod(agent.name, pod)


def _of_outcome(at: PlanContext, agent: Agent, outcome: Outcome) -> AgentView:
    if outcome.result is OutcomeResult.PARKED and (questions.parked_for(at, agent.name) or questions.wakes(at, agent.name)):
        return _parked(at, agent)
    if at.work_done(agent.name) and (task := at.task(agent.name)):
        return AgentView(agent.name, Health.HEALTHY, task_steps.REASONS[task.kind], task.message)
    health = Health.COMPLETE if at.completed(agent.name) else Health.DEAD
    return AgentView(agent.name, health, outcome.reason, outcome.message)


def _of_report(at: PlanContext, agent: Agent, pod: PodFacts) -> AgentView | None:
    """Return a live agent's health by its report or by its silence; None if these show no problem."""
    if pod.agent_ended or pod.deleting:
        return None
    if waiting := questions.open_questions(at, agent.name):
        return AgentView(agent.name, Health.AWAITING_GUIDANCE, Reason.AWAITING_GUIDANCE, questions.one_line(waiting[0].text))
    if stall_detection.idle(at, agent):
        return AgentView(agent.name, Health.ACTIVITY_STALLED, Reason.ACTIVITY_STALLED)
    silent = stall_detection.silent_at(at, pod)
    if silent is not None and at.now >= silent:
        return AgentView(agent.name, Health.REPORTER_SILENT, Reason.REPORTER_SILENT)
    return None


def _parked(at: PlanContext, agent: Agent) -> AgentView:
    waiting = questions.open_questions(at, agent.name)
    text = questions.one_line(waiting[0].text) if waiting else ""
    return AgentView(agent.name, Health.AWAITING_GUIDANCE, Reason.PARKED, text)


def _of_pod(name: str, pod: PodFacts) -> AgentView:
    if pod.foreign_gates:
        return AgentView(name, Health.QUEUED, Reason.QUEUED, f"scheduling gate {', '.join(pod.foreign_gates)}")
    if pod.termination is not None and pod.termination.exit_code and not pod.terminated:
        return AgentView(name, Health.DEAD, Reason.AGENT_ENDED, f"exit code {pod.termination.exit_code}")
    if pod.unready_since is not None:
        return AgentView(name, Health.UNREADY, Reason.UNREADY)
    if pod.ready or (pod.phase == "Running" and not pod.waiting_reason):
        return AgentView(name, Health.HEALTHY, Reason.SUPERVISING)
    if pod.waiting_reason in QUIET_REASONS:
        return AgentView(name, Health.STARTING, Reason.STARTING)
    return AgentView(name, Health.STARTING, pod.waiting_reason, pod.waiting_message)
