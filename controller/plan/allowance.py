"""Limits a Run's demand for human attention: the number of open questions, and of escalations opened within an hour.

An agent, or code that controls it, may ask new questions with every report. Requests beyond these limits wait, and the Run's
condition Escalated shows that. A question of a former attempt is closed to make room for one of the current attempt; no other
escalation is closed for another.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from controller.api.agent_report import MAX_QUESTIONS
from controller.api.escalation import EscalationType
from controller.api.operator_state import AgentState
from controller.api.timestamps import later
from controller.plan.context import PlanContext
from controller.plan.snapshot import EscalationFacts

OPEN_QUESTIONS, OPEN_QUESTIONS_OF_RUN = MAX_QUESTIONS, 32
"""Maximum unanswered questions, including those that are no longer asked: of one agent, and of a whole Run."""

OPENED, OPENED_OF_RUN = 32, 64
"""Maximum escalations opened within the window, open or not: for one agent, and for a whole Run."""

WINDOW_SECONDS = 3600
"""Length of the window in which opened escalations are counted, from the first one."""


def counted(agent: AgentState, now: datetime) -> AgentState:
    """Return the agent's state after another escalation is opened for it; `now` is in whole seconds."""
    if agent.opened_since is None or now >= later(agent.opened_since, WINDOW_SECONDS):
        return agent.model_copy(update={"opened_since": now, "opened": 1})
    return agent.model_copy(update={"opened": agent.opened + 1})


def may_open(at: PlanContext, agent: str) -> int:
    """Return how many more escalations may be opened for an agent now."""
    others = sum(_opened(at, name) for name in (at.state.agents if at.state else ()))
    return max(0, min(OPENED - _opened(at, agent), OPENED_OF_RUN - others))


def may_ask(at: PlanContext, agent: str) -> int:
    """Return how many more questions of an agent may be opened now."""
    run = sum(1 for _ in _standing(at))
    return max(0, min(may_open(at, agent), OPEN_QUESTIONS - len(_of(at, agent)), OPEN_QUESTIONS_OF_RUN - run))


def overtaken(at: PlanContext, escalation: EscalationFacts) -> bool:
    """Whether a question is closed unanswered to make room: it belongs to a former attempt, and the current one asks others."""
    agent = escalation.agent
    report = at.report(agent)
    asks = {at.question_name(agent, question.id) for question in (report.questions if report else ())}
    standing = _of(at, agent)
    new = asks - {e.name for e in at.snapshot.escalations} - set(at.agent_state(agent).asked)
    former = [e for e in standing if e.attempt < at.agent_state(agent).attempt and e.name not in asks]
    surplus = len(standing) + len(new) - OPEN_QUESTIONS
    return escalation in former[: max(0, surplus)]


def opens_again_at(at: PlanContext, agent: str) -> datetime | None:
    """Return when more escalations may be opened for an agent, None if that does not depend on time."""
    if may_open(at, agent):
        return None
    states = at.state.agents.values() if at.state else ()
    windows = (later(state.opened_since, WINDOW_SECONDS) for state in states if state.opened_since)
    return min((end for end in windows if end > at.now), default=None)


def refused(at: PlanContext) -> str:
    """Return a text about the limit that delays escalations now, or an empty text."""
    over = at.state is None or at.state.stop is not None
    for agent in () if over else at.agents:
        if reopens_at := opens_again_at(at, agent.name):
            until = f"{reopens_at:%H:%M:%S} UTC"
            return f"more escalations for agent {agent.name} wait until {until}: the limit per hour is reached"
        if unasked(at, agent.name) > may_ask(at, agent.name):
            bounds = f"at most {OPEN_QUESTIONS} per agent, {OPEN_QUESTIONS_OF_RUN} per Run"
            return f"more questions of agent {agent.name} wait until some are answered or deleted: {bounds}"
    return ""


def unasked(at: PlanContext, agent: str) -> int:
    """Return how many of an agent's questions have no escalation yet."""
    report, asked = at.report(agent), at.agent_state(agent).asked
    waits = [question.id for question in report.questions if question.id not in report.delivered] if report else []
    names = (at.question_name(agent, question) for question in waits)
    return sum(1 for name in names if name not in asked and not at.name_in_inbox(name))


def _opened(at: PlanContext, agent: str) -> int:
    state = at.agent_state(agent)
    return state.opened if state.opened_since and at.now < later(state.opened_since, WINDOW_SECONDS) else 0


def _of(at: PlanContext, agent: str) -> list[EscalationFacts]:
    """Return the agent's open questions, those of the oldest attempts first."""
    return sorted((e for e in _standing(at) if e.agent == agent), key=lambda e: (e.attempt, e.name))


def _standing(at: PlanContext) -> Iterator[EscalationFacts]:
    return (e for e in at.our_escalations(EscalationType.QUESTION) if e.open and e.decision is None)
