"""The rules for a running agent's health: it was ready and is not, it is idle, does not start, makes no progress, or is silent."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from controller.api.run import Agent
from controller.api.timestamps import later
from controller.plan.attempts import restarts, stall_detection
from controller.plan.attempts.stall_detection import confirmed_at
from controller.plan.context import PlanContext
from controller.plan.decisions import AgentDecision
from controller.plan.escalations import blocked, stalled_start
from controller.plan.model import Block
from controller.plan.snapshot import PodFacts

UNSCHEDULABLE = "Unschedulable"
"""The scheduler's reason; an unbound pod without it has not been scheduled yet."""


def unready(at: PlanContext, agent: Agent) -> AgentDecision | None:
    """An agent that was ready and has failed its readiness probe since is restarted like a failed one."""
    pod = running_pod(at, agent)
    if pod is None or pod.unready_since is None or at.policy is None:
        return None
    sure = confirmed_at(at.policy, pod.unready_since)
    return _suspect(at, sure) or restarts.unready(at, agent, pod, at.policy)


def stalled(at: PlanContext, agent: Agent) -> AgentDecision | None:
    """An agent that does nothing, by its own fresh report, is restarted like a failed one."""
    pod = running_pod(at, agent)
    return _idle(at, agent, pod) if pod and stall_detection.idle(at, agent) else None


def pending(at: PlanContext, agent: Agent) -> AgentDecision | None:
    """A pod that does not start is escalated with the kubelet's or the scheduler's message: a restart would not help."""
    pod = running_pod(at, agent)
    return pending_pod(at, pod) if pod else None


def pending_pod(at: PlanContext, pod: PodFacts) -> AgentDecision | None:
    """Return the decision on a pod that has not started, None if it has, or if that is another's matter."""
    policy = at.policy
    threshold = policy.health.pending_stalled_seconds if policy else 0
    if policy is None or not threshold or pod.phase != "Pending" or pod.gated or pod.foreign_gates:
        return None
    since = pod.scheduled_at or pod.created_at
    if since is None or not (pod.bound or pod.waiting_reason == UNSCHEDULABLE):
        return None
    sure = confirmed_at(policy, since, threshold)
    return _suspect(at, sure) or AgentDecision(block=stalled_start.pending_stalled(at, pod))


def unprogressive(at: PlanContext, agent: Agent) -> AgentDecision | None:
    """An agent that is active without progress is escalated, with its usage. (A stale Run is ended by the Run's rule `stale`.)"""
    pod = running_pod(at, agent)
    return AgentDecision(block=_no_progress(at, pod)) if pod and stall_detection.without_progress(at, agent) else None


def silent(at: PlanContext, agent: Agent) -> AgentDecision | None:
    """A silent reporter never costs a restart. It is escalated if that lasts as long as an agent may be idle.

    Until then the silence changes nothing: an escalation that was opened for its last report stays open.
    """
    pod, policy = running_pod(at, agent), at.policy
    since = stall_detection.silent_at(at, pod) if pod else None
    if pod is None or policy is None or since is None:
        return None
    if at.now < since:
        return AgentDecision(check_at=since)
    seconds = policy.health.activity_stalled_seconds
    sure = later(since, seconds) if seconds else None
    if sure and at.now >= sure:
        return AgentDecision(block=blocked.reporter_silent(pod))
    return AgentDecision(check_at=sure, block=_standing_block(at, agent, pod))


def _suspect(at: PlanContext, sure: datetime) -> AgentDecision | None:
    """Return a time to check again while a suspicion is not confirmed, None once it is."""
    return AgentDecision(check_at=sure) if at.now < sure else None


def _standing_block(at: PlanContext, agent: Agent, pod: PodFacts) -> Block | None:
    """Return the block that the open escalation was created for, if the last report still supports it.

    It is patient: a report this old never fails the Run.
    """
    standing, idle = at.agent_state(agent.name).blocked, _idle(at, agent, pod)
    if standing is None:
        return None
    proven = (block for block in (idle and idle.block, _no_progress(at, pod)) if block)
    return next((replace(block, patient=True) for block in proven if blocked.name_of(at, block) == standing.escalation), None)


def _idle(at: PlanContext, agent: Agent, pod: PodFacts) -> AgentDecision | None:
    """Return the decision for an agent that is idle, if the pod's last report proves that."""
    report = at.report(agent.name)
    if report is None or at.policy is None or not stall_detection.proves_idle(at, report):
        return None
    if report.result is not None:
        return AgentDecision(block=blocked.lingering(at, pod))
    return restarts.stalled(at, agent, pod, at.policy)


def _no_progress(at: PlanContext, pod: PodFacts) -> Block | None:
    """Return the block for missing progress, if the pod's last report proves that."""
    report = at.report(pod.agent)
    if report is None or at.policy is None or not stall_detection.proves_no_progress(at, report):
        return None
    stale = later(at.floor, stall_detection.patience(at.policy)) if report.progress_at else None
    return blocked.progress_stalled(at, pod, report, stale)


def running_pod(at: PlanContext, agent: Agent) -> PodFacts | None:
    """Return the pod in which an agent runs, None if it has ended or is to end."""
    pod = at.own_pod(agent.name)
    return pod if pod and not pod.agent_ended and not pod.deleting else None
