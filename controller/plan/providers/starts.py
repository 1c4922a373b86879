"""Which agents of a Run want to start, and why one waits for its provider."""

from __future__ import annotations

from controller.api.run import Agent, DesiredState
from controller.api.timestamps import later
from controller.plan.context import PlanContext
from controller.plan.decisions import Wait
from controller.plan.reasons import Reason
from controller.plan.snapshot import ProviderFacts

CHECK_SECONDS = 60
"""How often a waiting Run is looked at again. The end of its wait leads to a reconcile at once; this covers a lost event."""


def waiting(at: PlanContext) -> tuple[Agent, ...]:
    """Return the agents with a provider that would start now if it admits them, in the order of the spec."""
    return tuple(agent for agent in at.agents if agent.provider and _wants(at, agent.name)) if _starts_agents(at) else ()


def _starts_agents(at: PlanContext) -> bool:
    """Whether the Run's agents may start at all, as far as only the Run matters."""
    snapshot, state = at.snapshot, at.state
    gone = snapshot.run.gone or snapshot.namespace_terminating or snapshot.state_refusal or snapshot.run.unreadable
    if gone or snapshot.run.spec is None or snapshot.run.violations or at.policy is None or at.dry_run:
        return False
    ends = state is not None and (state.stop or state.paused_at)
    return not (ends or snapshot.halt or snapshot.queued) and at.spec.desired_state is DesiredState.RUNNING


def _wants(at: PlanContext, agent: str) -> bool:
    state = at.agent_state(agent)
    if state.outcome:
        return False
    if state.pod_uid:  # It starts whatever else there is: see `start_stop.start`.
        pod = at.own_pod(agent)
        return pod is not None and pod.gated and not pod.deleting
    if at.former_pods(agent) or at.finished_predecessor(agent):
        return False
    named = at.named_pod(agent)
    return named is None or named.gated


def facts_of(at: PlanContext, agent: str) -> ProviderFacts | None:
    """Return the facts of the agent's provider; None if the agent names none, or they are unknown."""
    return next((facts for facts in at.snapshot.providers if facts.agent == agent), None)


def hold(at: PlanContext, agent: str) -> Wait | None:
    """Return why the agent does not start now; None if its provider admits it."""
    facts = facts_of(at, agent)
    if facts is None or facts.admits:
        return None
    check = facts.until if facts.until and facts.until > at.now else later(at.now, CHECK_SECONDS)
    return Wait(facts.reason or Reason.PROVIDER_CLOSED, f"agent {agent}: {facts.message}", check)


def held(at: PlanContext, agent: str) -> ProviderFacts | None:
    """Return the facts of the provider that an agent which wants to start waits for."""
    facts = facts_of(at, agent)
    return facts if facts and not facts.admits and _starts_agents(at) and _wants(at, agent) else None
