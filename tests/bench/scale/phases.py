"""The events of a working fleet; each phase returns its figures. Values are in seconds, unless a name has another unit."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict

import aiohttp

from controller.api.base import JsonObject
from controller.kube.resources import RUN_POLICIES
from tests.bench.controllers import Stage
from tests.bench.measured import latency
from tests.bench.pace import asking, paced
from tests.bench.scale.gauge import Gauge
from tests.bench.scale.plan import Plan
from tests.bench.scale.reports import Reports
from tests.bench.scale.simulated_runs import Fleet
from tests.bench.scale.stir import stirring
from tests.chaos.pods import Pod

SEED = 8
READYZ = "/readyz"
STIRRED = 200
"""Pods that change for no reason; enough that none of them changes faster than a watch can report."""


class Phases:
    """The phases of one fleet."""

    def __init__(self, http: aiohttp.ClientSession, stage: Stage, fleet: Fleet, plan: Plan, gauge: Gauge) -> None:
        self._http, self._stage, self._fleet, self._plan, self._gauge = http, stage, fleet, plan, gauge
        self._random = random.Random(SEED)  # noqa: S311  # picks pods, keeps no secret

    async def take(self, phase: str) -> JsonObject:
        """Run one phase by its name."""
        return await {"idle": self._idle, "events": self._events, "reports": self._reports, "storm": self._storm}[phase]()

    async def _idle(self) -> JsonObject:
        """No event happens."""
        return await self._gauge.measured(self._nothing)

    async def _nothing(self) -> JsonObject:
        await asyncio.sleep(self._plan.seconds)
        return {}

    async def _events(self) -> JsonObject:
        """Pods change at a rate, mostly without meaning; some changes are an agent's death, which leads to an action.

        Meaningless changes are put into etcd, so that the API server only sends their events and does not write them: it shares the
        cores.
        """
        live = self._random.sample(self._fleet.live(), len(self._fleet.live()))
        deaths = min(len(live) - 1, int(self._plan.deaths * self._plan.seconds))
        others = [pod.change.name for pod in live[deaths:][:STIRRED]]
        async with stirring(self._http, self._stage, others) as stir:
            return await self._gauge.measured(lambda: self._drive(live[:deaths], stir))

    async def _drive(self, victims: Sequence[Pod], stir: Callable[[], Awaitable[None]]) -> JsonObject:
        plan, fleet = self._plan, self._fleet
        fleet.latencies.clear()
        fleet.lags.clear()
        number = int(plan.rate * plan.seconds)
        every = max(1, number // max(1, len(victims)))

        async def one(index: int) -> None:
            if index % every == 0 and index // every < len(victims):
                await fleet.kill(victims[index // every])
            else:
                await stir()

        async with asking(self._http, RUN_POLICIES.path(self._stage.namespace, "default")) as asked:
            took = await paced(number, plan.rate, one)
            await fleet.until(lambda: len(fleet.latencies) >= len(victims) and fleet.settled(), plan.patience)
        told: JsonObject = {"events": number, "a_second": round(number / took, 1), "deaths": len(victims)}
        told |= {"death_to_successor": asdict(latency(fleet.latencies)), "death_written_to_told": asdict(latency(fleet.lags))}
        return told | {"a_read_meanwhile": asdict(latency(asked))}

    async def _reports(self) -> JsonObject:
        """Agents' reporters write once per interval each, without changes."""
        reports = Reports(self._http, self._stage.namespace, self._plan.report_interval_seconds)
        await reports.begin(self._random.sample(self._fleet.live(), min(self._plan.reports, len(self._fleet.live()))))
        await self._gauge.quiet()
        return {"reporters": self._plan.reports, **await self._gauge.measured(lambda: reports.keep_on(self._plan.seconds))}

    async def _storm(self) -> JsonObject:
        """Every agent dies at once, as often as planned; the API server's health is checked meanwhile."""
        return {"storms": [await self._gauge.measured(self._once) for _ in range(self._plan.storms)]}

    async def _once(self) -> JsonObject:
        fleet, victims = self._fleet, self._fleet.live()[: self._plan.dying]
        fleet.latencies.clear()
        async with asking(self._http, READYZ) as asked:
            took = await paced(len(victims), float("inf"), lambda number: fleet.kill(victims[number]))
            settled = await fleet.until(fleet.settled, self._plan.patience)
        told = {"deaths": len(victims), "dying": round(took, 1), "settled": round(settled, 1)}
        return told | {"readyz": asdict(latency(asked)), "death_to_successor": asdict(latency(fleet.latencies))}
