"""A Run's part of a cluster in virtual time: its pods, escalations and report, its agent, the people, the nodes and the provider.

The world's processes are simpy's. What the operator does to it is in `effects`.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Any

import simpy

from controller.api.policy import ReporterMode, RunPolicySpec
from controller.plan.actions import Consult
from controller.plan.snapshot import ConsultationFacts, EscalationFacts, PodFacts, ReportFacts
from controller.simulation.account import Account
from controller.simulation.advisor_answers import AdvisorAnswers
from controller.simulation.agent_life import Life
from controller.simulation.draws import Draws
from controller.simulation.people import Key, People
from controller.simulation.prices import Prices
from controller.simulation.scenario import Scenario
from controller.simulation.virtual_time import HOURS_OF_DAY, NEVER, SECOND, Clock, Windows, milliseconds

DELIVERS = SECOND
"""Time in which a reporter that watches its report hands an answer over."""


class Cluster:
    """The objects of one Run and what moves them. `changed` says that the operator has something to look at."""

    def __init__(
        self, scenario: Scenario, policy: RunPolicySpec, draws: Draws, clock: Clock, account: Account, report_seconds: int
    ) -> None:
        self.scenario, self.draws, self.clock, self.account = scenario, draws, clock, account
        self.env, self.report_seconds = simpy.Environment(), report_seconds
        self.horizon = scenario.horizon_seconds * SECOND
        self.reporting = policy.reporter is not ReporterMode.OFF
        self.prices, self.people = Prices(scenario.agent), People(scenario.people, draws, clock)
        reporter, provider = scenario.reporter, scenario.provider
        self.outages = Windows(draws, "outage", reporter.outages_per_day, reporter.lasts_seconds, self.horizon)
        self.limits = Windows(draws, "limit", provider.limits_per_day, provider.lasts_seconds, self.horizon)
        self.pods: dict[str, PodFacts] = {}
        self.escalations: dict[str, EscalationFacts] = {}
        self.report: ReportFacts | None = None
        self.consultations: dict[str, ConsultationFacts] = {}
        self.advisor = AdvisorAnswers(scenario.advisor, policy.llm, draws, clock) if scenario.advisor else None
        self.life: Life | None = None
        self.changed = False
        self._left = milliseconds(scenario.agent.work_seconds.sample(draws.uniform("work")))
        if scenario.nodes.drains_per_day:
            self.env.process(self._drains())
        for moment in self.outages.edges():
            self.env.timeout(moment)

    @property
    def now(self) -> int:
        """The virtual time."""
        return int(self.env.now)

    def advance(self, time: int) -> None:
        """Let time pass in which nothing happens."""
        if time > self.now:
            self.env.run(until=time)

    def upcoming(self) -> int:
        """Return when the next thing happens by itself."""
        time = self.env.peek()
        return int(time) if time < NEVER else NEVER

    def step(self) -> None:
        """Let everything happen that happens at the next time."""
        time = self.env.peek()
        while self.env.peek() == time:
            self.env.step()

    def begin_life(self, pod: PodFacts) -> None:
        """Start the agent of a pod."""
        self.account.attempts += 1
        self.life = Life(self, pod, self._left)

    def life_over(self, life: Life, *, keeps_all: bool) -> None:
        """Keep what an agent has done, as far as the next attempt goes on from it."""
        worked, looped = life.record.worked(self.now), life.record.looped(self.now)
        kept = worked if keeps_all else int(worked * self.scenario.agent.keeps_work)
        self._left -= kept
        self.account.spending += worked + looped
        self.account.wasting += worked - kept + looped
        self.account.stuck += life.record.stuck(self.now)
        self.life, self.changed = None, True

    def ask_people(self, escalation: EscalationFacts, key: Key) -> None:
        """Have people answer an escalation in their time."""
        self.env.process(self._answer(escalation.name, key))

    def _answer(self, name: str, key: Key) -> Generator[simpy.Event, Any, None]:
        at = self.people.answers_at(key, self.now)
        if at is None:
            return
        yield self.env.timeout(max(0, at - self.now))
        asked = self.escalations.get(name)
        if asked is not None and asked.open and asked.decision is None:
            decision = self.people.decision(asked.type, key)
            self.escalations[name] = replace(asked, decision=decision, by="people", answer="this way" if asked.question else "")
            self.changed = True

    def consult(self, action: Consult) -> None:
        """Start a consultation of the advisor."""
        if self.advisor is not None:
            self.consultations[action.escalation] = ConsultationFacts(action.agent, action.escalation)
            self.env.process(self._consult(self.advisor, action))

    def _consult(self, advisor: AdvisorAnswers, action: Consult) -> Generator[simpy.Event, Any, None]:
        yield self.env.timeout(advisor.takes(action))
        answer = advisor.answer(action, self.now)
        self.consultations[action.escalation] = ConsultationFacts(action.agent, action.escalation, answer)
        self.changed = True

    def hand_over(self, question: str) -> None:
        """Have the reporter of the running agent hand an answer over."""
        if self.life is not None:
            self.env.process(self._hand_over(self.life, question))

    def _hand_over(self, life: Life, question: str) -> Generator[simpy.Event, Any, None]:
        yield self.env.timeout(max(DELIVERS, (self.outages.end_of(self.now) or 0) - self.now))
        life.take_answer(question)

    def _drains(self) -> Generator[simpy.Event, Any, None]:
        number = 0
        while True:
            yield self.env.timeout(milliseconds(self.draws.gap(self.scenario.nodes.drains_per_day / HOURS_OF_DAY, "drain", number)))
            number += 1
            if self.life is not None:
                self._evict(self.life)

    def _evict(self, life: Life) -> None:
        """Delete a pod for a disruption, as the eviction API does. It ends in its grace period."""
        pod, stamp = self.pods[life.pod], self.clock.stamp(self.now)
        if not pod.deleting:
            gone = replace(pod, deleting=True, deleted_at=stamp, deletion_grace_seconds=pod.grace_seconds, disrupted_at=stamp)
            self.pods[pod.name] = gone
            life.end()
            self.changed = True
