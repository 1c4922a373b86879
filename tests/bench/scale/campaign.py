"""A campaign: a namespace is filled, the phases follow, and the whole history is judged.

Values are in seconds, unless a name has another unit.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime

import aiohttp

from controller.api.base import JsonObject
from controller.kube.resources import RUNS
from tests.bench.controllers import Stage
from tests.bench.load import create
from tests.bench.scale.copies import copy
from tests.bench.scale.gauge import Gauge
from tests.bench.scale.phases import Phases
from tests.bench.scale.plan import Plan
from tests.bench.scale.simulated_runs import BUDGET, COOLDOWN, Fleet, operator_of
from tests.chaos.invariants import INVARIANTS, Law, nothing_left
from tests.support import simulated_forever

LOOK_SECONDS = 0.25
STEPS = ("lease acquired", "synced", "watching")


class Campaign:
    """One operator from its first Run to the storm's end."""

    def __init__(self, http: aiohttp.ClientSession, stage: Stage, plan: Plan, progress: Callable[[str], None]) -> None:
        self._http, self._stage, self._plan, self._say = http, stage, plan, progress
        self._operator = operator_of(stage)
        self._fleet = Fleet(http, stage.namespace)
        self._gauge = Gauge(stage, lambda: self._operator, plan.settling_seconds)
        self._phases = Phases(http, stage, self._fleet, plan, self._gauge)

    async def take(self, tell: Callable[[JsonObject], None]) -> None:
        """Fill the namespace, run the phases, and judge the whole history."""
        try:
            await self._start()
            async with self._fleet.watched():
                await self._go(tell)
        finally:
            if self._operator.began():
                await asyncio.to_thread(self._operator.stop)

    async def _go(self, tell: Callable[[JsonObject], None]) -> None:
        made = self._plan.runs - self._plan.copied
        first = max(1, made // 10)
        tell({"phase": "first tenth", **await self._gauge.measured(lambda: self._fill(0, first))})
        tell({"phase": "the rest", **await self._gauge.measured(lambda: self._fill(first, made))})
        if self._plan.copied:
            await self._copy(made)
        for phase in self._plan.phases:
            self._say(f"phase {phase}")
            taken = self._restart() if phase == "restart" else self._phases.take(phase)
            tell({"phase": phase, **await taken})
        tell({"phase": "judgement", "violations": self._violations()})

    async def _fill(self, begin: int, end: int) -> JsonObject:
        """Create Runs and wait until all of them run."""
        bodies = [simulated_forever(f"run-{number:05}") for number in range(begin, end)]
        started = await create(self._http, RUNS, self._stage.namespace, bodies)
        await self._fleet.until(lambda: self._fleet.running() >= end, self._plan.patience)
        return {"objects": end - begin, "wall": round(time.monotonic() - started, 1)}

    async def _copy(self, made: int) -> None:
        """Add more Runs that no operator has seen yet; one operator is started."""
        fleet, plan = self._fleet, self._plan
        await asyncio.to_thread(self._operator.stop)
        pod = next(pod for pod in fleet.live() if pod.run == "run-00000")
        names = [f"run-{number:05}" for number in range(made, plan.runs)]
        await copy(self._http, self._stage.cluster, self._stage.namespace, pod.run, pod.change.name, names)
        await fleet.until(lambda: fleet.running() >= plan.runs and len(fleet.live()) >= plan.runs, plan.patience)
        await self._restart()

    async def _restart(self) -> JsonObject:
        """Replace the operator by a new one over all Runs; return its cost until it has seen each of them."""
        if self._operator.began():
            await asyncio.to_thread(self._operator.stop)
        self._operator = operator_of(self._stage)
        return await self._gauge.start(self._start)

    async def _start(self) -> JsonObject:
        """Start the operator and wait until it is ready; return the times of its log events."""
        begun = datetime.now(UTC)
        self._operator.start_without_waiting()
        async with asyncio.timeout(self._plan.patience):
            while not await asyncio.to_thread(self._operator.ready):
                assert not self._operator.ended(), f"the operator ended, see {self._operator.log}"
                await asyncio.sleep(LOOK_SECONDS)
        said = {line["event"]: datetime.fromisoformat(line["timestamp"]) for line in self._operator.lines()}
        return {"seconds": {step: round((said[step] - begun).total_seconds(), 2) for step in STEPS if step in said}}

    def _violations(self) -> list[str]:
        """Return the violations of the invariants; running pods do not count, since agents are still at work."""
        history = self._fleet.evidence.history(self._stage.namespace)
        laws = dict.fromkeys(self._fleet.runs, Law(BUDGET, COOLDOWN))
        return [text for invariant in INVARIANTS if invariant is not nothing_left for text in invariant(history, laws)]
