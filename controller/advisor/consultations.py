"""The consultations that this process has started. No pass waits for one: the advisor's answer enqueues its Run.

The Run's next snapshot includes its consultations. They stay in memory until they are recorded in the operator's state. After a
crash an unfinished consultation is started again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from controller.adapter.contract import Advisor
from controller.advisor.advice_record import advice_of
from controller.advisor.agent_log import LogTail
from controller.advisor.prompt import build, target_of
from controller.api.advice import AdviceState, AdviceVerdict
from controller.api.names import RunKey
from controller.api.operator_state import OperatorState
from controller.kube.errors import ApiError
from controller.plan.actions import Consult
from controller.plan.context import PlanContext
from controller.plan.inquiries import Consultation
from controller.plan.snapshot import ConsultationFacts, Snapshot

log = structlog.get_logger(__name__)

MAX_KEPT = 64
"""Consultations of one Run in memory. Above this the oldest finished one is dropped, and may be started again."""


LOG_SECONDS = 5.0
"""Timeout for an agent's log: its kubelet may be lost."""


@dataclass(slots=True)
class _Started:
    agent: str
    task: asyncio.Task[AdviceState]
    advice: AdviceState | None = None


@dataclass(slots=True)
class Consultations:
    """Starts consultations and keeps their results. `wake` enqueues a Run; `now` returns the API server's time."""

    advisor: Advisor
    log_tail: LogTail
    now: Callable[[], datetime]
    wake: Callable[[RunKey], None]
    _started: dict[RunKey, dict[str, _Started]] = field(default_factory=dict)

    def of(self, run: RunKey, state: OperatorState | None) -> tuple[ConsultationFacts, ...]:
        """Return the consultations of a Run that are not recorded in its state yet, and drop those that are."""
        started = self._started.get(run)
        if not started:
            return ()
        agents = state.agents.values() if state else ()
        for situation in [advice.situation for agent in agents for advice in agent.advice]:
            started.pop(situation, None)
        return tuple(ConsultationFacts(one.agent, situation, one.advice) for situation, one in sorted(started.items()))

    def begin(self, snapshot: Snapshot, action: Consult) -> ConsultationFacts:
        """Start a consultation, unless it was started already."""
        matter, run = action.consultation, snapshot.run
        started = self._started.setdefault(run.key, {})
        if matter.situation not in started:
            self._make_room(started)
            task = asyncio.create_task(self._consult(snapshot, action.agent, matter), name=f"consult {matter.situation}")
            started[matter.situation] = entry = _Started(action.agent, task)
            task.add_done_callback(lambda done: self._ended(entry, matter, run.key, done))
        return ConsultationFacts(action.agent, matter.situation, started[matter.situation].advice)

    def forget(self, run: RunKey) -> None:
        """Drop a deleted Run and cancel its consultations: nobody needs their answers any more."""
        for entry in self._started.pop(run, {}).values():
            entry.task.cancel()

    async def close(self) -> None:
        """Cancel all running consultations and wait for their end."""
        tasks = [entry.task for started in self._started.values() for entry in started.values()]
        for run in list(self._started):
            self.forget(run)
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _consult(self, snapshot: Snapshot, agent: str, matter: Consultation) -> AdviceState:
        at = PlanContext(snapshot, self.now())
        try:
            async with asyncio.timeout(LOG_SECONDS):
                tail = await self.log_tail(at, agent)
        except (ApiError, TimeoutError):  # The log is optional: its pod or its node may be gone.
            tail = ""
        request = build(at, agent, matter, tail)
        reply = await self.advisor.consult(request)
        advice = advice_of(reply, request, matter, target_of(snapshot.run), self.now())
        log.info("consulted", run=snapshot.run.name, agent=agent, verdict=advice.verdict.value, why=advice.reason)
        return advice

    def _ended(self, entry: _Started, matter: Consultation, key: RunKey, done: asyncio.Task[AdviceState]) -> None:
        """Store the result. An unexpected error is logged and counts as no advice, so that a Run never waits for ever."""
        if done.cancelled():
            return
        if error := done.exception():
            log.error("consultation failed unexpectedly", run=key.name, exc_info=error)
            entry.advice = _failed(matter, error, self.now())
        else:
            entry.advice = done.result()
        self.wake(key)

    @staticmethod
    def _make_room(started: dict[str, _Started]) -> None:
        while len(started) >= MAX_KEPT and (ended := next((s for s, entry in started.items() if entry.advice), None)):
            del started[ended]


def _failed(matter: Consultation, error: BaseException, now: datetime) -> AdviceState:
    return AdviceState(
        situation=matter.situation,
        verdict=AdviceVerdict.UNAVAILABLE,
        reason="InternalError",
        message=f"{type(error).__name__} in the operator: see its log",
        at=now,
    )
