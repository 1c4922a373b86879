"""The reporter of one pod in virtual time: the schedule, memory and status of `controller.reporter` over an agent's record.

Reports are made when somebody asks for them. The schedule decides when each would be sent, and an outage when it would arrive.
"""

from __future__ import annotations

from copy import copy
from pathlib import Path
from typing import Any

from controller.api.operator_state import ResultStatus, Usage
from controller.api.timestamps import earlier
from controller.plan.snapshot import PodFacts, QuestionFacts, ReportFacts
from controller.reporter.agent_record import Memory
from controller.reporter.report_schedule import Pace
from controller.reporter.report_status import status_of
from controller.reporter.settings import Settings
from controller.simulation.draws import Draws
from controller.simulation.prices import Prices
from controller.simulation.record import Record
from controller.simulation.virtual_time import SECOND, Clock, Windows

TICK = 500
"""Milliseconds between two looks of the reporter at its agent (`reporter.TICK_SECONDS`)."""

SOURCES = ("Processes", "Events", "Workspace")
NOWHERE = Path("/")


class SimulatedReporter:
    """Reports about one pod, whose containers start `now`."""

    def __init__(
        self, pod: PodFacts, record: Record, clock: Clock, draws: Draws, outages: Windows, prices: Prices, now: int, interval: int
    ) -> None:
        self.memory = Memory(now / SECOND)
        self._record, self._clock, self._draws, self._outages, self._prices = record, clock, draws, outages, prices
        self._settings = _settings(pod, interval)
        self._began, self._numbers = now, 0
        self._pace = Pace(interval, now / SECOND, self._chance)
        self._arrivals: list[int] = []
        self._cursor, self._extended = now, now
        self._base = (copy(self._pace), 0, now, now)
        self.has_news = False
        """Whether the agent has said something that no report has shown yet."""

    def say(self, event: dict[str, Any], now: int) -> None:
        """Apply an event of the agent, which is reported soon."""
        urgent = self.memory.apply_event(event, now / SECOND)
        if urgent:
            self.hurry(now)

    def deliver(self, questions: tuple[str, ...], now: int) -> None:
        """Take answers and dismissals for the agent."""
        if self.memory.deliver(questions):
            self.hurry(now)

    def hurry(self, now: int) -> None:
        """Report soon: there is something new."""
        self._rewind(now)
        self._cursor = now
        self._pace.urgent = self.has_news = True

    def arrivals(self, now: int, until: int) -> list[int]:
        """Return when reports arrive, after now and before `until`, if nothing happens until then."""
        if now >= self._extended:
            self._base = (copy(self._pace), self._numbers, self._cursor, self._extended)
            self._arrivals.clear()
        self._extend(until)
        return [at for at in self._arrivals if now < at < until]

    def facts(self, time: int, deliveries: tuple[str, ...] = ()) -> ReportFacts:
        """Return the report that is sent at a time."""
        memory, stamp = self.memory, self._clock.stamp(time)
        count, last = self._record.progress(time)
        memory.active_at = (self._record.active_at(time) or self._began) / SECOND
        memory.progress_events, memory.progress_at = count, None if last is None else last / SECOND
        memory.usage = self._usage(time)
        status = status_of(self._settings, memory, SOURCES, time, time / SECOND)
        progress = status.get("progressAgeSeconds")
        return ReportFacts(
            agent=self._settings.agent,
            run_uid=self._settings.run_uid,
            attempt=status["attempt"],
            pod_uid=status["podUID"],
            seq=status["seq"],
            reported_at=stamp,
            interval_seconds=status["intervalSeconds"],
            active_at=earlier(stamp, status["activityAgeSeconds"]),
            progress_at=None if progress is None else earlier(stamp, progress),
            progress_events=status["progressEvents"],
            sources=SOURCES,
            questions=tuple(QuestionFacts(q["id"], q["text"], tuple(q["options"])) for q in status["questions"]),
            delivered=tuple(status["delivered"]),
            read=tuple(status["read"]),
            parked=status["parked"],
            result=ResultStatus(outcome=memory.result["outcome"]) if memory.result else None,
            usage=Usage(input_tokens=memory.usage["inputTokens"], cost_micro_usd=memory.usage["costMicroUSD"])
            if memory.usage
            else None,
            turns=status["turns"],
            deliveries=deliveries,
        )

    def _usage(self, time: int) -> dict[str, int] | None:
        tokens = self._prices.tokens(self._record.worked(time) + self._record.looped(time))
        return {"inputTokens": tokens, "outputTokens": 0, "costMicroUSD": self._prices.cost(tokens)} if tokens else None

    def _extend(self, until: int) -> None:
        """Send every report that is due before a time."""
        while (at := self._due()) < until:
            self._pace.sent(at / SECOND)
            if self._outages.end_of(at) is None:
                self._pace.arrived(at / SECOND)
                self._arrivals.append(at)
            else:
                self._pace.failed(at / SECOND)
            self._cursor = at
        self._extended = max(self._extended, until)

    def _due(self) -> int:
        """Return the reporter's first look at which a report is due."""
        due = self._pace.due_at(self._cursor / SECOND) * SECOND
        return self._began + -int((self._began - due) // TICK) * TICK

    def _rewind(self, now: int) -> None:
        """Take back what would have been sent after now: something has happened."""
        if now + 1 < self._extended:
            pace, self._numbers, self._cursor, self._extended = self._base
            self._pace = copy(pace)
            self._arrivals.clear()
            self._extend(now + 1)

    def _chance(self) -> float:
        self._numbers += 1
        return self._draws.uniform("report", self._settings.attempt, self._numbers)


def _settings(pod: PodFacts, interval: int) -> Settings:
    return Settings(
        run=pod.name,
        run_uid=pod.run_uid,
        agent=pod.agent,
        attempt=pod.attempt,
        pod_uid=pod.uid,
        namespace="default",
        interval=interval,
        directory=NOWHERE,
        workspace=NOWHERE,
        credentials=NOWHERE,
        last_words=NOWHERE,
        host="",
        port=0,
        sees_processes=True,
    )
