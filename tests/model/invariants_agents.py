"""Invariants of agents that ask and humans that answer, in addition to those of every restart.

A question opens one escalation. It is not asked again once a human has dismissed it and the state remembers that. An answer reaches
its question only, and counts as delivered only when the reporter confirms it. An agent that waits for an answer is not restarted
for idleness, and one whose question was dismissed only for a silence since then. A fresh report of the pod itself proves a stall. A
parked agent gets its next attempt when a human has answered or dismissed its questions, and not before. An action that needs
approval does not happen without it. Another invariant, that reported work is never started again, is among those of every restart.
"""

from __future__ import annotations

from controller.api.llm_policy import LLMMode
from controller.api.operator_state import AgentState, OutcomeResult
from controller.plan.attempts.stall_detection import SILENT_INTERVALS
from controller.plan.reasons import Reason
from controller.reconcile.actions.deliver_answer import NO_ANSWER
from tests.model.accounts import by_human
from tests.model.bridge import INTERVAL_SECONDS, TICK, Bridge, question_name
from tests.model.reporting import ACTIVE, Report, answer_to
from tests.model.world import FAILED, Config, Escalation, World
from tests.model.world_steps import Event

STALLED_TICKS = 1
"""How long agents of the configurations may be idle."""


class Promises:
    """The invariants of reports and questions in one configuration."""

    def __init__(self, config: Config, bridge: Bridge) -> None:
        self._config, self._bridge = config, bridge

    def asked(self, before: World, event: Event) -> str:
        """Check the creation of an escalation. An observation that is older than the state cannot know the state's content."""
        new, run = event.escalation, before.run
        if new is None or not (new.question or new.approval) or run is None or event.view is None or event.view.run is None:
            return ""
        state = self._bridge.states.values[run.state]
        agent = state.agents.get(new.agent) if state else None
        known = self._bridge.states.values[event.view.run.state]
        knew = known.agents.get(new.agent) if known else None
        if agent is None or knew is None or new.name not in agent.asked or new.name not in knew.asked:
            return ""
        return "a question is asked again although the state remembers it"

    def delivered(self, before: World, event: Event) -> str:
        """Check an answer that is put into a report."""
        for delivery in event.report.deliveries if event.report else ():
            dismissed = delivery.answer == NO_ANSWER
            if not dismissed and delivery.answer != answer_to(delivery.question):
                return f"the answer to another question is delivered to {delivery.question}"
            given = before.ghost.dismissed if dismissed else before.ghost.answered
            if event.report and (event.report.agent, delivery.question) not in given:
                return f"an answer is delivered to {delivery.question} that no human gave"
        return ""

    def marked(self, before: World, event: Event) -> str:
        """Check the write of an escalation's phase."""
        found = event.escalation
        if found is None or found.phase != "Delivered" or (found.agent, found.question) in before.ghost.handed:
            return ""
        return "an answer counts as delivered that no agent can read"

    def restarted(self, before: World, event: Event, name: str, was: AgentState, agent: AgentState) -> str:
        """Check a newly reserved attempt."""
        if agent.attempt == was.attempt or by_human(before, name, was, agent):
            return ""
        gated = self._config.mode is not LLMMode.OFF and agent.restarts > was.restarts
        if gated and (name, was.attempt) not in before.ghost.approved:
            return "an agent is restarted without the approval that the mode requires"
        if agent.restarts > was.restarts and _denied(event, name, was):
            return "an agent is restarted although a human denied it"
        if agent.restarts > was.restarts and self._parked_for(event, name, was) is True:
            return "a parked agent is charged"
        if was.outcome is None and agent.last_outcome == Reason.ACTIVITY_STALLED:
            return self._stalled(before, event, name, was)
        # The parking may already be recorded, or be recorded by this very save.
        parked = agent.last_outcome == Reason.PARKED or (was.outcome and was.outcome.result is OutcomeResult.PARKED)
        return self._parked(before, name, was) if parked else ""

    def _stalled(self, before: World, event: Event, name: str, was: AgentState) -> str:
        view = event.view
        report = next((report for report in view.reports if report.agent == name), None) if view else None
        own = was.pod_uid or next((pod.uid for pod in view.pods if pod.name == (name, was.attempt)), "") if view else ""
        if view is None or report is None or (report.pod, report.attempt) != (own, was.attempt):
            return "an agent is restarted as stalled without a report of its pod"
        got = (_got(report, e) for e in view.escalations if e.agent == name)
        asked = {(name, question) for question in report.word.asks}
        dismissed = (time for mark, time in before.ghost.dismissed_at if mark in asked)
        since = max((report.word.idle, *got, *dismissed))
        if report.word.idle == ACTIVE or report.at - since < STALLED_TICKS:
            return "an agent is restarted as stalled that has not been idle for so long"
        if (event.now - report.at) * TICK >= SILENT_INTERVALS * INTERVAL_SECONDS:
            return "an agent is restarted as stalled on an old report"
        waits = any(self._waits(event, name, was, report, question) for question in report.word.waits_for)
        return "an agent that waits for an answer is restarted as stalled" if waits else ""

    def unpaid(self, before: World, event: Event, name: str, was: AgentState, agent: AgentState) -> str:
        """A new attempt of an agent that has parked without a question, or for one that has woken it before, must be charged."""
        if agent.attempt == was.attempt or by_human(before, name, was, agent) or agent.restarts > was.restarts:
            return ""
        return "an agent that parks for nothing new is not charged" if self._parked_for(event, name, was) is False else ""

    def _parked_for(self, event: Event, name: str, was: AgentState) -> bool | None:
        """Whether the attempt has parked for something new, None if it has not parked, as far as its operator has seen."""
        view = event.view
        pods = (pod for pod in view.pods if pod.uid == was.pod_uid and pod.phase == FAILED) if view else ()
        words = [pod.word for pod in pods if self._config.last_words and pod.word and pod.word.parked]
        if not words or view is None:
            return None
        return any(question_name(name, question, view.key) not in was.woken_for for word in words for question in word.asks)

    def _waits(self, event: Event, name: str, was: AgentState, report: Report, question: str) -> bool:
        escalation = question_name(name, question, report.owner)
        seen = event.view.escalations if event.view else ()
        found = next((e for e in seen if e.name == escalation), None)
        return found.open if found else escalation not in was.asked

    def _parked(self, before: World, name: str, was: AgentState) -> str:
        """The questions of the parked attempt must be answered or dismissed, by its pod's own word and not by a report about it.

        A reporter that falsely claims to have delivered an answer harms only its own agent.
        """
        settled = {*before.ghost.answered, *before.ghost.dismissed, *before.ghost.handed}
        pods = [pod for pod in before.pods if pod.uid == was.pod_uid]
        waits = {(name, question) for pod in pods if pod.word for question in pod.word.waits_for}
        if not pods and not before.reports:  # Only the state still has what it parked for.
            open_ones = [e for e in before.escalations if e.agent == name and e.question and e.open and not e.decision]
            waits = {(name, e.question) for e in open_ones if e.name in was.asked}
        return "" if waits <= settled else "a parked agent is started again before an answer"


def _got(report: Report, question: Escalation) -> int:
    """Return the tick at which an agent got an answer: that on record, or until then that of the report that shows it."""
    shown = question.open and question.decision and question.question in (*report.word.delivered, *report.word.read)
    return report.at if shown else question.delivered


def _denied(event: Event, name: str, was: AgentState) -> bool:
    """Whether the operator has seen that a human denied the restart that follows this attempt."""
    seen = event.view.escalations if event.view else ()
    return any(e.approval and e.decision == "Deny" and (e.agent, e.attempt) == (name, was.attempt) for e in seen)
