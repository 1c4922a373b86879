"""The changes of the operator's state, one pure function per step: `apply(snapshot, action, now)` returns the next state.

A changed state is saved by compare-and-swap before any effect that depends on it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import assert_never

from controller.api.operator_state import (
    MAX_ADVICE,
    MAX_ASKED,
    AgentState,
    BlockedState,
    OperatorState,
    OutcomeResult,
    StopDecision,
    lowest_reader,
)
from controller.api.tasks import TaskState
from controller.api.timestamps import later
from controller.plan.actions import (
    AdoptPod,
    AdoptTask,
    AgentTransition,
    BlockAgent,
    CompleteRun,
    ContinueDeadline,
    NoteDismissal,
    PauseRun,
    RecordAdvice,
    RecordOutcome,
    RecordTask,
    RememberApproval,
    RememberQuestion,
    RenewWait,
    ReserveAttempt,
    ResumeRun,
    RetryTask,
    RunTransition,
    StopRun,
    SuspendDeadline,
    Transition,
    UnblockAgent,
)
from controller.plan.allowance import counted
from controller.plan.attempts import repeated_failures
from controller.plan.attempts.agent_end import outcome_of
from controller.plan.attempts.budget import cooldown, is_healthy_long_enough
from controller.plan.attempts.start_stop import FIRST_ATTEMPT
from controller.plan.context import PlanContext
from controller.plan.escalations import questions
from controller.plan.intents import Charge
from controller.plan.reasons import Reason
from controller.plan.snapshot import Snapshot
from controller.plan.sources import source_of
from controller.plan.tasks import task_records


def apply(snapshot: Snapshot, action: Transition, now: datetime) -> OperatorState:
    """Return the state after one transition of a plan."""
    at = PlanContext(snapshot, now)
    state = snapshot.state or OperatorState(run_uid=snapshot.run.uid)
    changed = _change_run(at, state, action) if isinstance(action, RunTransition) else _change_agent(at, state, action)
    return changed.model_copy(update={"updated_at": at.floor, "schema_version": lowest_reader(changed)})


def _change_run(at: PlanContext, state: OperatorState, action: RunTransition) -> OperatorState:
    match action:
        case PauseRun():
            return _pause(at, state, action)
        case ResumeRun():
            return _resume(at, state)
        case SuspendDeadline():
            return state.model_copy(update={"held_at": at.floor})
        case ContinueDeadline():
            return _without_hold(at, state)
        case StopRun():
            stop = StopDecision(phase=action.phase, reason=action.reason, message=action.message, at=at.floor)
            return state.model_copy(update={"stop": stop})
        case CompleteRun():
            return _complete(at, state)
        case _:
            assert_never(action)


def _change_agent(at: PlanContext, state: OperatorState, action: AgentTransition) -> OperatorState:
    match action:
        case AdoptPod():
            changed = _adopt(at, state, action)
        case RecordOutcome():
            changed = _record(at, state, action)
        case ReserveAttempt():
            changed = _reserve(at, state, action)
        case RememberQuestion() | RememberApproval() | NoteDismissal():
            changed = _remember(at, state, action)
        case BlockAgent():
            changed = _block(at, state, action)
        case UnblockAgent():
            changed = _with_agent(state, action.agent, at.agent_state(action.agent).model_copy(update={"blocked": None}))
        case RenewWait():
            changed = _renew_wait(at, state, action)
        case RecordAdvice():
            changed = _record_advice(at, state, action)
        case AdoptTask() | RecordTask() | RetryTask():
            changed = _with_agent(state, action.agent, _task(at, action))
        case _:
            assert_never(action)
    return changed


def _adopt(at: PlanContext, state: OperatorState, action: AdoptPod) -> OperatorState:
    """Set the attempt's pod. The Run counts as started from the first one on.

    A cooldown is counted from here, since ending the former pod may have taken time.
    """
    before = at.agent_state(action.agent)
    update: dict[str, object] = {"pod_uid": action.pod_uid}
    if before.attempt == FIRST_ATTEMPT:
        pod = next((pod for pod in at.snapshot.pods if pod.uid == action.pod_uid), None)
        update["restarted_at"] = pod.restarted_at if pod else None  # Any other request restarts it.
    if before.cooldown_until and before.last_restart_at and before.cooldown_until > before.last_restart_at:
        update["cooldown_until"] = at.ceiling + (before.cooldown_until - before.last_restart_at)
    agent = before.model_copy(update=update)
    changed = _with_agent(state, action.agent, agent)
    return changed.model_copy(update={"started_at": state.started_at or at.floor})


def _record(at: PlanContext, state: OperatorState, action: RecordOutcome) -> OperatorState:
    pod = at.own_pod(action.agent) or at.finished_predecessor(action.agent)
    report = at.report_of(pod) if pod else at.report(action.agent)
    outcome = outcome_of(at, action.agent, action.attempt)
    before = _reset_charges(at, action.agent)
    changes = {
        "outcome": outcome,
        "result": report.result if report else None,
        "usage": at.usage(action.agent),
        "source": source_of(before, pod),
        "last_failure": repeated_failures.after_end(at, action.agent, outcome, pod),
    }
    return _with_agent(state, action.agent, before.model_copy(update=changes))


def _reserve(at: PlanContext, state: OperatorState, action: ReserveAttempt) -> OperatorState:
    """Set the next attempt with its charge and cooldown, which are saved before any effect."""
    agents = {name: _reset_charges(at, name) for name in state.agents}
    before = agents[action.agent]
    ended = before.outcome.reason if before.outcome and not at.work_done(action.agent) else action.reason.value
    changes = _next_attempt(before, ended).model_copy(
        update={
            "usage": at.usage(action.agent),
            "source": source_of(before, at.own_pod(action.agent)),
            "restarts": before.restarts + (action.charge is Charge.BUDGET),
            "free_restarts": before.free_restarts + (action.charge is Charge.FREE),
            "limited_restarts": before.limited_restarts + _is_limited(action),
            "last_restart_at": at.ceiling,
            "restarted_at": _asked(at, action.agent) or before.restarted_at,
            "last_failure": repeated_failures.after_restart(at, action.agent, action.reason),
        }
    )
    if action.reason in WAKES:
        changes = changes.model_copy(update={"woken_for": questions.settled(at, action.agent)})
    if at.policy and action.charge in (Charge.BUDGET, Charge.FREE):
        seconds = cooldown(at.policy, state.run_uid, changes, action.agent, action.charge)
        changes = changes.model_copy(update={"cooldown_until": later(at.ceiling, seconds)})
    return state.model_copy(update={"agents": agents | {action.agent: changes}})


def _task(at: PlanContext, action: AdoptTask | RecordTask | RetryTask) -> AgentState:
    agent = next(agent for agent in at.agents if agent.name == action.agent)
    match action:
        case AdoptTask():
            task = at.task(agent.name) or TaskState(kind=action.kind, number=action.number)
            return task_records.adopted(at.agent_state(agent.name), task, action.pod_uid)
        case RecordTask():
            ended = task_records.ended(at, agent)
            return ended.model_copy(update={"last_failure": repeated_failures.after_verification(at, agent.name, ended)})
        case RetryTask():
            return task_records.tried_again(at.agent_state(agent.name))
        case _:
            assert_never(action)


WAKES = frozenset({Reason.ANSWER_GIVEN, Reason.QUESTION_DISMISSED})
"""Reasons of attempts that a parked agent gets after a human answered or dismissed its questions."""


def _reset_charges(at: PlanContext, name: str) -> AgentState:
    """Return the agent's state; its charges are reset if its attempt has been running long enough."""
    agent = at.agent_state(name)
    return agent.model_copy(update=UNCHARGED) if is_healthy_long_enough(at, name) else agent


UNCHARGED = {"restarts": 0, "free_restarts": 0, "limited_restarts": 0}
"""The charges of an agent that has none."""


def _is_limited(action: ReserveAttempt) -> bool:
    """Whether an attempt follows a limit for nothing."""
    return action.reason is Reason.PROVIDER_LIMITED and action.charge is Charge.UNCHARGED


def _asked(at: PlanContext, agent: str) -> datetime | None:
    return (at.spec.restarted_at or {}).get(agent)


def _block(at: PlanContext, state: OperatorState, action: BlockAgent) -> OperatorState:
    blocked = BlockedState(escalation=action.escalation, reason=action.reason, since=at.floor, expires_at=action.expires_at)
    agent = counted(at.agent_state(action.agent), at.floor)
    return _with_agent(state, action.agent, agent.model_copy(update={"blocked": blocked}))


def _remember(at: PlanContext, state: OperatorState, action: RememberQuestion | RememberApproval | NoteDismissal) -> OperatorState:
    """Record that a human was asked, so that deleting the escalation counts as a dismissal, and when that was noticed."""
    if isinstance(action, NoteDismissal):
        return _with_agent(state, action.agent, _dismissed(at, at.agent_state(action.agent), action.escalation))
    agent = counted(at.agent_state(action.agent), at.floor)
    asked = (*agent.asked, action.escalation)[-MAX_ASKED:]
    woken_for = tuple(name for name in agent.woken_for if name in asked)
    return _with_agent(state, action.agent, agent.model_copy(update={"asked": asked, "woken_for": woken_for}))


def _dismissed(at: PlanContext, agent: AgentState, escalation: str) -> AgentState:
    dismissed = {**agent.dismissed, escalation: at.ceiling}
    return agent.model_copy(update={"dismissed": dict(list(dismissed.items())[-MAX_ASKED:])})


def _record_advice(at: PlanContext, state: OperatorState, action: RecordAdvice) -> OperatorState:
    """Record the result of a consultation: each situation once, and only the newest with their texts."""
    agent = at.agent_state(action.agent)
    older = [a for a in agent.advice if a.situation != action.advice.situation]
    bare = [a.model_copy(update=WITHOUT_TEXTS) for a in older[: -FULL_ADVICE + 1]]
    advice = (*bare, *older[-FULL_ADVICE + 1 :], action.advice)[-MAX_ADVICE:]
    return _with_agent(state, action.agent, agent.model_copy(update={"advice": advice}))


FULL_ADVICE = 2
"""Number of an agent's consultations that keep their texts, which the next escalation needs; a state must stay small."""

WITHOUT_TEXTS = {"message": "", "explanation": "", "diagnosis": "", "suggested_answer": ""}


def _renew_wait(at: PlanContext, state: OperatorState, action: RenewWait) -> OperatorState:
    """Extend the wait for a human: the time until the Run fails starts again."""
    agent = at.agent_state(action.agent)
    if agent.blocked is None:
        raise ValueError("only a blocked agent can be waited for")
    expires_at = later(at.floor, (agent.blocked.expires_at - agent.blocked.since).total_seconds())
    blocked = agent.blocked.model_copy(update={"decision": action.decision, "since": at.floor, "expires_at": expires_at})
    return _with_agent(state, action.agent, agent.model_copy(update={"blocked": blocked}))


def _pause(at: PlanContext, state: OperatorState, action: PauseRun) -> OperatorState:
    """Stop the Run's clocks. A halt of a paused Run begins no second pause. A wait for providers ends, so no time counts twice."""
    halted_at = at.floor if action.reason is Reason.HALTED else state.halted_at
    return _without_hold(at, state).model_copy(update={"paused_at": state.paused_at or at.floor, "halted_at": halted_at})


def _resume(at: PlanContext, state: OperatorState) -> OperatorState:
    """Give each interrupted agent a new attempt; the pause does not count for the deadline, for blocks and for questions."""
    paused = _stood_still(at, state.paused_at)
    length = round(paused.total_seconds())
    asked = {name: questions.prolonged(at, name, length) for name in state.agents}
    agents = {name: _extend_deadline(_new_attempt(agent), paused, asked[name]) for name, agent in state.agents.items()}
    seconds = state.paused_seconds + length
    return state.model_copy(update={"agents": agents, "paused_at": None, "halted_at": None, "paused_seconds": seconds})


def _without_hold(at: PlanContext, state: OperatorState) -> OperatorState:
    """Return the state after a wait for providers, which does not count for the deadline."""
    seconds = state.paused_seconds + round(_stood_still(at, state.held_at).total_seconds())
    return state.model_copy(update={"held_at": None, "paused_seconds": seconds})


def _stood_still(at: PlanContext, since: datetime | None) -> timedelta:
    return max(timedelta(), at.floor - since) if since else timedelta()


def _extend_deadline(agent: AgentState, paused: timedelta, prolonged: dict[str, int]) -> AgentState:
    agent = agent.model_copy(update={"prolonged": prolonged})
    if agent.blocked is None:
        return agent
    blocked = agent.blocked.model_copy(update={"expires_at": later(agent.blocked.expires_at, paused.total_seconds())})
    return agent.model_copy(update={"blocked": blocked})


def _new_attempt(agent: AgentState) -> AgentState:
    if agent.outcome is None or agent.outcome.result is not OutcomeResult.INTERRUPTED:
        return agent
    return _next_attempt(agent, agent.outcome.reason)


def _next_attempt(agent: AgentState, ended: str) -> AgentState:
    """Return the agent before its next attempt, which keeps only the former attempt's outcome."""
    changes = {"attempt": agent.attempt + 1, "pod_uid": "", "outcome": None, "last_outcome": ended, "blocked": None, "result": None}
    changes["task"] = None
    return agent.model_copy(update=changes)


def _complete(at: PlanContext, state: OperatorState) -> OperatorState:
    if state.stop is None:
        raise ValueError("only a Run whose stop was decided can be finished")
    return state.model_copy(update={"stop": state.stop.model_copy(update={"completed_at": at.floor})})


def _with_agent(state: OperatorState, name: str, agent: AgentState) -> OperatorState:
    return state.model_copy(update={"agents": {**state.agents, name: agent}})
