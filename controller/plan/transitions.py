"""The changes of the operator's state, one pure function a step: `apply(snapshot, action, now)` gives the next state.

A changed state is saved by compare-and-swap before any effect that depends on it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from controller.api.run_status import AgentState, OperatorState, OutcomeResult, StopDecision
from controller.plan.model import Action, Snapshot, Step
from controller.plan.outcomes import classify
from controller.plan.situation import Situation


def apply(snapshot: Snapshot, action: Action, now: datetime) -> OperatorState:
    """Return the state after one transition of a plan.

    Raises KeyError for an action whose step is no transition.
    """
    at = Situation(snapshot, now.replace(microsecond=0))
    state = snapshot.state or OperatorState(run_uid=snapshot.run.uid)
    return _APPLY[action.step](at, state, action).model_copy(update={"updated_at": at.now})


def _adopt(at: Situation, state: OperatorState, action: Action) -> OperatorState:
    """Name the pod that is the attempt's; the Run counts as started from the first one on."""
    agent = at.agent_state(action.agent).model_copy(update={"pod_uid": action.pod_uid})
    changed = _with_agent(state, action.agent, agent)
    return changed.model_copy(update={"started_at": state.started_at or at.now})


def _record(at: Situation, state: OperatorState, action: Action) -> OperatorState:
    ending = state.stop is not None or state.paused_at is not None
    outcome = classify(at.own_pod(action.agent), action.attempt, ending=ending)
    agent = at.agent_state(action.agent).model_copy(update={"outcome": outcome})
    return _with_agent(state, action.agent, agent)


def _pause(at: Situation, state: OperatorState, _: Action) -> OperatorState:
    return state.model_copy(update={"paused_at": at.now})


def _resume(at: Situation, state: OperatorState, _: Action) -> OperatorState:
    """Give every interrupted agent a new attempt, and take the pause off the deadline's clock."""
    paused = round((at.now - state.paused_at).total_seconds()) if state.paused_at else 0
    agents = {name: _anew(agent) for name, agent in state.agents.items()}
    update = {"agents": agents, "paused_at": None, "paused_seconds": state.paused_seconds + max(0, paused)}
    return state.model_copy(update=update)


def _anew(agent: AgentState) -> AgentState:
    if agent.outcome is None or agent.outcome.result is not OutcomeResult.INTERRUPTED:
        return agent
    anew = {
        "attempt": agent.attempt + 1,
        "pod_uid": "",
        "outcome": None,
        "last_outcome": agent.outcome.reason,
    }
    return agent.model_copy(update=anew)


def _stop(at: Situation, state: OperatorState, action: Action) -> OperatorState:
    if action.phase is None:
        raise ValueError("a stop names the phase that it leads to")
    stop = StopDecision(phase=action.phase, reason=action.reason, message=action.message, at=at.now)
    return state.model_copy(update={"stop": stop})


def _complete(at: Situation, state: OperatorState, _: Action) -> OperatorState:
    if state.stop is None:
        raise ValueError("only a Run whose stop was decided can be finished")
    return state.model_copy(update={"stop": state.stop.model_copy(update={"completed_at": at.now})})


def _with_agent(state: OperatorState, name: str, agent: AgentState) -> OperatorState:
    return state.model_copy(update={"agents": {**state.agents, name: agent}})


_APPLY: dict[Step, Callable[[Situation, OperatorState, Action], OperatorState]] = {
    Step.ADOPT: _adopt,
    Step.RECORD: _record,
    Step.PAUSE: _pause,
    Step.RESUME: _resume,
    Step.STOP: _stop,
    Step.COMPLETE: _complete,
}
