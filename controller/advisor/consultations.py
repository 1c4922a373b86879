"""The consultations that this process has begun. No pass waits for one: what the advisor says wakes its Run.

They are in its next snapshot, and kept in memory until they are on record. One that a crash cuts off is begun anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from controller.adapter.contract import Advisor
from controller.advisor.advice_record import advice_of
from controller.advisor.prompt import build, target_of
from controller.api.advice import AdviceState, AdviceVerdict
from controller.api.names import RunKey
from controller.api.run_status import OperatorState
from controller.kube.errors import ApiError
from controller.plan.context import PlanContext
from controller.plan.model import Action, Consultation
from controller.plan.snapshot import ConsultationFacts, Snapshot

log = structlog.get_logger(__name__)

LogTail = Callable[[PlanContext, str], Awaitable[str]]
"""Fetches the end of an agent's log. May raise ApiError."""

MAX_KEPT = 64
"""Consultations of one Run that are kept in memory; beyond, the oldest that has ended is forgotten, and may be begun anew."""


LOG_SECONDS = 5.0
"""How long an agent's log is waited for: the kubelet that has it may be lost."""


@dataclass(slots=True)
class _Begun:
    agent: str
    task: asyncio.Task[AdviceState]
    advice: AdviceState | None = None


@dataclass(slots=True)
class Consultations:
    """Begins consultations and keeps what came of them. `wake` has a Run looked at again; `now` is the API server's time."""

    advisor: Advisor
    log_tail: LogTail
    now: Callable[[], datetime]
    wake: Callable[[RunKey], None]
    _begun: dict[RunKey, dict[str, _Begun]] = field(default_factory=dict)

    def of(self, run: RunKey, state: OperatorState | None) -> tuple[ConsultationFacts, ...]:
        """Return the consultations of a Run that are not on record yet; those that are need not be kept any more."""
        begun = self._begun.get(run)
        if not begun:
            return ()
        agents = state.agents.values() if state else ()
        for situation in [advice.situation for agent in agents for advice in agent.advice]:
            begun.pop(situation, None)
        return tuple(ConsultationFacts(kept.agent, situation, kept.advice) for situation, kept in sorted(begun.items()))

    def begin(self, snapshot: Snapshot, action: Action) -> ConsultationFacts:
        """Begin one consultation, unless it was begun already."""
        matter, run = action.consultation, snapshot.run
        if matter is None:
            raise ValueError("to consult is to say about what")
        begun = self._begun.setdefault(run.key, {})
        if matter.situation not in begun:
            self._make_room(begun)
            task = asyncio.create_task(self._consult(snapshot, action.agent, matter), name=f"consult {matter.situation}")
            begun[matter.situation] = kept = _Begun(action.agent, task)
            task.add_done_callback(lambda done: self._ended(kept, matter, run.key, done))
        return ConsultationFacts(action.agent, matter.situation, begun[matter.situation].advice)

    def forget(self, run: RunKey) -> None:
        """Let go of a Run that is gone: nobody waits for its answers any more."""
        for kept in self._begun.pop(run, {}).values():
            kept.task.cancel()

    async def close(self) -> None:
        """End every consultation that is under way."""
        tasks = [kept.task for begun in self._begun.values() for kept in begun.values()]
        for run in list(self._begun):
            self.forget(run)
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _consult(self, snapshot: Snapshot, agent: str, matter: Consultation) -> AdviceState:
        at = PlanContext(snapshot, self.now())
        try:
            async with asyncio.timeout(LOG_SECONDS):
                tail = await self.log_tail(at, agent)
        except (ApiError, TimeoutError):  # The log is a help, not a condition: its pod or its node may be gone.
            tail = ""
        request = build(at, agent, matter, tail)
        reply = await self.advisor.consult(request)
        advice = advice_of(reply, request, matter, target_of(snapshot.run), self.now())
        log.info("consulted", run=snapshot.run.name, agent=agent, verdict=advice.verdict.value, why=advice.reason)
        return advice

    def _ended(self, kept: _Begun, matter: Consultation, key: RunKey, done: asyncio.Task[AdviceState]) -> None:
        """Keep what came of it. What nobody foresaw is reported, and counts as no advice: a Run never waits for ever."""
        if done.cancelled():
            return
        if error := done.exception():
            log.error("a consultation failed unexpectedly", run=key.name, exc_info=error)
            kept.advice = _failed(matter, error, self.now())
        else:
            kept.advice = done.result()
        self.wake(key)

    @staticmethod
    def _make_room(begun: dict[str, _Begun]) -> None:
        while len(begun) >= MAX_KEPT and (ended := next((s for s, kept in begun.items() if kept.advice), None)):
            del begun[ended]


def _failed(matter: Consultation, error: BaseException, now: datetime) -> AdviceState:
    return AdviceState(
        situation=matter.situation,
        verdict=AdviceVerdict.UNAVAILABLE,
        reason="InternalError",
        message=f"{type(error).__name__} in the operator: see its log",
        at=now,
    )
