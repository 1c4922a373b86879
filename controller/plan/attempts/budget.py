"""The restart budget and the cooldown. The policy has the budget, the state has the charges."""

from __future__ import annotations

import hashlib
import math
from datetime import datetime, timedelta

from controller.api.operator_state import AgentState
from controller.api.policy import RunPolicySpec
from controller.plan.context import PlanContext
from controller.plan.intents import Charge
from controller.plan.reasons import Reason
from controller.plan.snapshot import PodFacts

FREE_RESTART_LIMIT = 20
"""Uncharged restarts that one agent may have until a long healthy run resets the count."""

LIMITED_RESTART_LIMIT = 100
"""Restarts after limits of its provider that cost one agent nothing, until a long healthy run resets the count. Each further one is
one of those above. So no false signal starts an agent for ever, and a lone agent may wait for a quota for weeks."""

JITTER = 0.1
"""Maximum share of a cooldown that is added to it as jitter, so that many agents do not restart at once."""

VERIFICATION_FAILED = Reason.VERIFICATION_FAILED.value

MAX_DOUBLINGS = 30
"""Maximum doublings: every cooldown has then reached its maximum of a year."""


def is_healthy_long_enough(at: PlanContext, agent: str) -> bool:
    """Whether the agent's current attempt has been running long enough to reset its charges.

    After a failed verification no time proves health: work that is never good could be done for ever.
    """
    state = at.agent_state(agent)
    if VERIFICATION_FAILED in (state.last_outcome, state.outcome.reason if state.outcome else ""):
        return False
    pod, policy = at.own_pod(agent), at.policy
    seconds = policy.restart_budget_reset_seconds if policy else 0
    span = _span(pod, at.now) if pod else None
    return bool(seconds and span and span >= timedelta(seconds=seconds))


def agent_restarts(at: PlanContext, agent: str) -> int:
    """Return the agent's charged restarts since the last reset."""
    return 0 if is_healthy_long_enough(at, agent) else at.agent_state(agent).restarts


def run_restarts(at: PlanContext) -> int:
    """Return the charged restarts of the whole Run."""
    return sum(agent_restarts(at, agent.name) for agent in at.agents)


def budget_left(at: PlanContext, agent: str, policy: RunPolicySpec) -> int:
    """Return how many charged restarts the agent has left: the Run's budget or its own, whichever is smaller."""
    left = policy.restart_budget - run_restarts(at)
    own = policy.restart_budget_per_agent
    return left if own is None else min(left, own - agent_restarts(at, agent))


def run_budget_left(at: PlanContext) -> int | None:
    """Return how many charged restarts an unfinished Run has left; None if it has finished, or without a policy."""
    run = at.snapshot.run
    finished = at.state is not None and at.state.stop is not None
    if run.gone or finished or at.policy is None:
        return None
    return max(0, at.policy.restart_budget - run_restarts(at))


def free_left(at: PlanContext, agent: str) -> int:
    """Return how many uncharged restarts the agent has left."""
    return FREE_RESTART_LIMIT - (0 if is_healthy_long_enough(at, agent) else at.agent_state(agent).free_restarts)


def limited_left(at: PlanContext, agent: str) -> int:
    """Return how many restarts after limits of its provider the agent has left for nothing."""
    return LIMITED_RESTART_LIMIT - (0 if is_healthy_long_enough(at, agent) else at.agent_state(agent).limited_restarts)


def cooldown(policy: RunPolicySpec, run_uid: str, agent: AgentState, name: str, charge: Charge) -> int:
    """Return the seconds between the restart of `agent` and its next one: doubled each time, with jitter.

    The jitter is derived from the Run, the agent and the attempt, so that the same restart always waits equally long.
    """
    count = agent.restarts if charge is Charge.BUDGET else agent.free_restarts
    doublings = min(max(count - 1, 0), MAX_DOUBLINGS)
    seconds = min(policy.restart_cooldown_seconds << doublings, policy.restart_cooldown_max_seconds)
    return math.ceil(seconds * (1 + JITTER * _fraction(run_uid, name, agent.attempt)))


def _fraction(*parts: object) -> float:
    digest = hashlib.sha256("\n".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:4]) / 2**32


def _span(pod: PodFacts, now: datetime) -> timedelta | None:
    """Return how long the agent's container has run, by the kubelet's timestamps if it has ended."""
    if pod.termination is not None:
        started, ended = pod.termination.started_at, pod.termination.finished_at
        return ended - started if started and ended else None
    return now - pod.started_at if pod.started_at and not pod.terminated else None
