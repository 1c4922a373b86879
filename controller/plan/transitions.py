"""The changes of the operator's state, one pure function a step: `apply(snapshot, action, now)` gives the next state.

A changed state is saved by compare-and-swap before any effect that depends on it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from controller.api.escalation import Decision
from controller.api.run_status import MAX_ADVICE, MAX_ASKED, AgentState, BlockedState, OperatorState, OutcomeResult, StopDecision
from controller.api.timestamps import later
from controller.plan.allowance import counted
from controller.plan.attempts.budget import cooldown, is_healthy_long_enough
from controller.plan.context import PlanContext
from controller.plan.escalations import questions
from controller.plan.model import Action, Charge, Step
from controller.plan.reasons import Reason
from controller.plan.snapshot import Snapshot


def apply(snapshot: Snapshot, action: Action, now: datetime) -> OperatorState:
    """Return the state after one transition of a plan.

    Raises KeyError for an action whose step is no transition.
    """
    at = PlanContext(snapshot, now)
    state = snapshot.state or OperatorState(run_uid=snapshot.run.uid)
    return _APPLY[action.step](at, state, action).model_copy(update={"updated_at": at.floor})


def _adopt(at: PlanContext, state: OperatorState, action: Action) -> OperatorState:
    """Name the pod that is the attempt's; the Run counts as started from the first one on.

    A cooldown is counted from here, since ending the former pod may have taken its time.
    """
    before = at.agent_state(action.agent)
    update: dict[str, object] = {"pod_uid": action.pod_uid}
    if before.attempt == 0:
        update["restarted_at"] = _asked(at, action.agent)
    if before.cooldown_until and before.last_restart_at and before.cooldown_until > before.last_restart_at:
        update["cooldown_until"] = at.ceiling + (before.cooldown_until - before.last_restart_at)
    agent = before.model_copy(update=update)
    changed = _with_agent(state, action.agent, agent)
    return changed.model_copy(update={"started_at": state.started_at or at.floor})


def _record(at: PlanContext, state: OperatorState, action: Action) -> OperatorState:
    ending = state.stop is not None or state.paused_at is not None
    pod = at.own_pod(action.agent) or at.finished_predecessor(action.agent)
    report = at.report_of(pod) if pod else at.report(action.agent)
    known = questions.known(at, report) if report else ()
    outcome = at.ended(pod, action.attempt, report, ending=ending, settled=known)
    update = {"outcome": outcome, "result": report.result if report else None, "usage": at.usage(action.agent)}
    return _with_agent(state, action.agent, _reset_charges(at, action.agent).model_copy(update=update))


def _reserve(at: PlanContext, state: OperatorState, action: Action) -> OperatorState:
    """Save the next attempt with its charge and cooldown, before anything is done for it."""
    agents = {name: _reset_charges(at, name) for name in state.agents}
    before = agents[action.agent]
    ended = before.outcome.reason if before.outcome else action.reason.value
    changes = _next_attempt(before, ended).model_copy(
        update={
            "usage": at.usage(action.agent),
            "restarts": before.restarts + (action.charge is Charge.BUDGET),
            "free_restarts": before.free_restarts + (action.charge is Charge.FREE),
            "last_restart_at": at.ceiling,
            "restarted_at": _asked(at, action.agent) or before.restarted_at,
        }
    )
    if action.reason in WAKES:
        changes = changes.model_copy(update={"woken_for": questions.settled(at, action.agent)})
    if at.policy and action.charge in (Charge.BUDGET, Charge.FREE):
        seconds = cooldown(at.policy, state.run_uid, changes, action.agent, action.charge)
        changes = changes.model_copy(update={"cooldown_until": later(at.ceiling, seconds)})
    return state.model_copy(update={"agents": agents | {action.agent: changes}})


WAKES = frozenset({Reason.ANSWER_GIVEN, Reason.QUESTION_DISMISSED})
"""The reasons of attempts that a parked agent gets since a human has settled what it asked."""


def _reset_charges(at: PlanContext, name: str) -> AgentState:
    """The agent's state, its charges given back where its attempt has been running for long enough."""
    agent = at.agent_state(name)
    return agent.model_copy(update={"restarts": 0, "free_restarts": 0}) if is_healthy_long_enough(at, name) else agent


def _asked(at: PlanContext, agent: str) -> datetime | None:
    return (at.spec.restarted_at or {}).get(agent)


def _block(at: PlanContext, state: OperatorState, action: Action) -> OperatorState:
    if action.inquiry is None:
        raise ValueError("a block names its inquiry")
    expires_at = action.inquiry.expires_at
    if expires_at is None:
        raise ValueError("a block names until when it is waited for")
    blocked = BlockedState(escalation=action.escalation, reason=action.reason, since=at.floor, expires_at=expires_at)
    agent = counted(at.agent_state(action.agent), at.floor)
    return _with_agent(state, action.agent, agent.model_copy(update={"blocked": blocked}))


def _ask(at: PlanContext, state: OperatorState, action: Action) -> OperatorState:
    """Remember that a human was asked, so that who deletes the escalation has dismissed it."""
    agent = counted(at.agent_state(action.agent), at.floor)
    asked = (*agent.asked, action.escalation)[-MAX_ASKED:]
    woken_for = tuple(name for name in agent.woken_for if name in asked)
    return _with_agent(state, action.agent, agent.model_copy(update={"asked": asked, "woken_for": woken_for}))


def _advise(at: PlanContext, state: OperatorState, action: Action) -> OperatorState:
    """Put what came of a consultation on record: each situation once, only the newest with their texts."""
    if action.advice is None:
        raise ValueError("to advise is to say what came of a consultation")
    agent = at.agent_state(action.agent)
    older = [a for a in agent.advice if a.situation != action.advice.situation]
    bare = [a.model_copy(update=WITHOUT_TEXTS) for a in older[: -FULL_ADVICE + 1]]
    advice = (*bare, *older[-FULL_ADVICE + 1 :], action.advice)[-MAX_ADVICE:]
    return _with_agent(state, action.agent, agent.model_copy(update={"advice": advice}))


FULL_ADVICE = 2
"""Consultations about one agent that keep their texts: those are for the escalation that follows, and a state must stay small."""

WITHOUT_TEXTS = {"message": "", "explanation": "", "diagnosis": "", "suggested_answer": ""}


def _unblock(at: PlanContext, state: OperatorState, action: Action) -> OperatorState:
    return _with_agent(state, action.agent, at.agent_state(action.agent).model_copy(update={"blocked": None}))


def _wait(at: PlanContext, state: OperatorState, action: Action) -> OperatorState:
    """A human wants to wait on: the time until the Run fails begins anew."""
    agent = at.agent_state(action.agent)
    if agent.blocked is None:
        raise ValueError("only a blocked agent can be waited for")
    decision = Decision.RETRY if action.reason is Reason.RETRY_ORDERED else Decision.WAIT
    expires_at = later(at.floor, (agent.blocked.expires_at - agent.blocked.since).total_seconds())
    blocked = agent.blocked.model_copy(update={"decision": decision, "since": at.floor, "expires_at": expires_at})
    return _with_agent(state, action.agent, agent.model_copy(update={"blocked": blocked}))


def _pause(at: PlanContext, state: OperatorState, _: Action) -> OperatorState:
    return state.model_copy(update={"paused_at": at.floor})


def _resume(at: PlanContext, state: OperatorState, _: Action) -> OperatorState:
    """Give every interrupted agent a new attempt, and take the pause off the clocks of the deadline and of the blocked."""
    paused = max(timedelta(), at.floor - state.paused_at) if state.paused_at else timedelta()
    agents = {name: _extend_deadline(_new_attempt(agent), paused) for name, agent in state.agents.items()}
    seconds = state.paused_seconds + round(paused.total_seconds())
    return state.model_copy(update={"agents": agents, "paused_at": None, "paused_seconds": seconds})


def _extend_deadline(agent: AgentState, paused: timedelta) -> AgentState:
    if agent.blocked is None:
        return agent
    blocked = agent.blocked.model_copy(update={"expires_at": later(agent.blocked.expires_at, paused.total_seconds())})
    return agent.model_copy(update={"blocked": blocked})


def _new_attempt(agent: AgentState) -> AgentState:
    if agent.outcome is None or agent.outcome.result is not OutcomeResult.INTERRUPTED:
        return agent
    return _next_attempt(agent, agent.outcome.reason)


def _next_attempt(agent: AgentState, ended: str) -> AgentState:
    """The agent before its next attempt: nothing of the former one is left but how it ended."""
    changes = {"attempt": agent.attempt + 1, "pod_uid": "", "outcome": None, "last_outcome": ended, "blocked": None, "result": None}
    return agent.model_copy(update=changes)


def _stop(at: PlanContext, state: OperatorState, action: Action) -> OperatorState:
    if action.phase is None:
        raise ValueError("a stop names the phase that it leads to")
    stop = StopDecision(phase=action.phase, reason=action.reason, message=action.message, at=at.floor)
    return state.model_copy(update={"stop": stop})


def _complete(at: PlanContext, state: OperatorState, _: Action) -> OperatorState:
    if state.stop is None:
        raise ValueError("only a Run whose stop was decided can be finished")
    return state.model_copy(update={"stop": state.stop.model_copy(update={"completed_at": at.floor})})


def _with_agent(state: OperatorState, name: str, agent: AgentState) -> OperatorState:
    return state.model_copy(update={"agents": {**state.agents, name: agent}})


_APPLY: dict[Step, Callable[[PlanContext, OperatorState, Action], OperatorState]] = {
    Step.ADOPT: _adopt,
    Step.RECORD: _record,
    Step.RESERVE: _reserve,
    Step.ASK: _ask,
    Step.BLOCK: _block,
    Step.UNBLOCK: _unblock,
    Step.WAIT: _wait,
    Step.ADVISE: _advise,
    Step.PAUSE: _pause,
    Step.RESUME: _resume,
    Step.STOP: _stop,
    Step.COMPLETE: _complete,
}
