"""Q: an attempt that ends at its provider's limit is recorded as such, and free up to a number; no other end counts as one."""

from __future__ import annotations

from controller.api.operator_state import AgentState, OperatorState
from controller.plan.reasons import Reason
from tests.model.accounts import by_human
from tests.model.world import NEVER, Config, Exit, Facts, Pod, World


def broken(config: Config, before: World, old: OperatorState | None, new: OperatorState) -> str:
    """Return the rule that a save breaks, empty for none. Without a provider an end at a limit is a temporary failure."""
    if Facts.NONE in config.facts:
        return ""
    known, exists = old.agents if old else {}, Facts.ABSENT not in config.facts
    found = (_of_agent(config, before, known.get(name, AgentState()), agent, exists=exists) for name, agent in new.agents.items())
    more = (_too_often(config, before, name, known.get(name, AgentState()), agent) for name, agent in new.agents.items())
    return next(filter(None, (*found, *more)), "")


def _too_often(config: Config, before: World, name: str, was: AgentState, agent: AgentState) -> str:
    met = sum(pod.exit == Exit.LIMITED for pod in before.pods if pod.agent == name)
    more = agent.attempt != was.attempt and met > config.limited_limit + config.free_limit
    again = more and agent.last_outcome == Reason.PROVIDER_LIMITED and not by_human(before, name, was, agent)
    return f"Q: an agent is started again after {met} limits, and nobody is asked" if again else ""


def _of_agent(config: Config, before: World, was: AgentState, agent: AgentState, *, exists: bool) -> str:
    reason = _recorded(was, agent)
    limited = reason == Reason.PROVIDER_LIMITED
    spent = was.limited_restarts >= config.limited_limit
    charges = (agent.restarts - was.restarts) + (0 if spent else agent.free_restarts - was.free_restarts)
    if limited and agent.attempt != was.attempt and charges > 0:
        return "Q: an attempt that ended at its provider's limit is charged"
    pod = next((pod for pod in before.pods if pod.uid == was.pod_uid), None)
    if not reason or pod is None:
        return ""
    if limited and not was.outcome and pod.exit != Exit.LIMITED:
        return "Q: an attempt counts as ended at a limit that it has not met"
    lost = exists and charges > 0 and _at_limit(pod)
    return "Q: an attempt that ended at its provider's limit is charged for another reason" if lost else ""


def _recorded(was: AgentState, agent: AgentState) -> str:
    """Return the reason of an end that this save records, or that it follows from; empty for none."""
    if agent.attempt != was.attempt:
        return agent.last_outcome or ""
    return agent.outcome.reason if agent.outcome and agent.outcome != was.outcome else ""


def _at_limit(pod: Pod) -> bool:
    """Whether the agent has ended by itself."""
    return pod.exit == Exit.LIMITED and (pod.told == NEVER or pod.early)
