"""One kind of object alone: it is created at given times, whatever happens meanwhile, and its pods are watched."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass

import aiohttp

from controller.kube.resources import PODS
from tests.bench.controllers import Stage
from tests.bench.load import watching
from tests.bench.measured import Load
from tests.bench.openloop.arrivals import arrivals, evenly
from tests.bench.openloop.cores import busy
from tests.bench.openloop.kinds import Kind
from tests.bench.openloop.operator_times import Totals, means, totals
from tests.bench.openloop.plan import patience
from tests.bench.openloop.results import Mean, OpenTurn, quantiles, windows
from tests.bench.openloop.sightings import LATE, STEPS, TOTAL, Sightings
from tests.bench.turn import stage_for, tidy
from tests.bench.wire import call, session
from tests.cluster import Cluster
from tests.support import OperatorProcess

POLL_SECONDS = 1.0

Aside = Callable[[int], AbstractContextManager[object]]
"""A context that observes an operator's process while it works."""


@dataclass(frozen=True, slots=True)
class Pace:
    """The arrivals of one turn."""

    rate: float
    seconds: float
    window_seconds: float
    seed: str

    def times(self) -> list[float]:
        """Return the times of arrival."""
        return arrivals(self.rate, self.seconds, self.seed)


@contextmanager
def venue_for(cluster: Cluster, kind: Kind, count: int) -> Iterator[Venue]:
    """Yield a namespace in which a kind's controller is at work; both end with the context."""
    with stage_for(cluster, Load(count)) as stage, ExitStack() as stack:
        yield Venue(stage, kind, kind.start(stage, stack))


class Venue:
    """A namespace for turns of one kind. Its methods raise TimeoutError if objects do not start or end."""

    def __init__(self, stage: Stage, kind: Kind, operator: OperatorProcess | None) -> None:
        self._stage, self._kind, self._operator = stage, kind, operator
        self._sightings, self._changed, self._numbers = Sightings(), asyncio.Event(), itertools.count()
        self._sightings.changed = self._changed.set

    @asynccontextmanager
    async def open(self, warm_up: int, rate: float) -> AsyncIterator[aiohttp.ClientSession]:
        """Watch the pods while the context lasts, and warm everything up."""
        async with (
            session(self._stage.cluster.kubeconfig) as http,
            watching(http, PODS, self._stage.namespace, self._sightings.see_pod),
        ):
            await self._create(http, evenly(rate, warm_up))
            await self._ended(http)
            await self._clear(http)
            yield http

    async def take(self, http: aiohttp.ClientSession, pace: Pace, aside: Aside = nullcontext) -> OpenTurn:
        """Create objects at their times, wait for their ends, and delete them; return the times of their starts."""
        before = await asyncio.to_thread(self._totals)
        with busy() as cores, aside(self._operator.pid) if self._operator else nullcontext():
            await self._create(http, pace.times())
            await self._until("started")
        await self._ended(http)
        after = await asyncio.to_thread(self._totals)
        await self._clear(http)
        return self._turn(pace, means(before, after, len(self._sightings.moments)), cores())

    async def _create(self, http: aiohttp.ClientSession, times: Sequence[float]) -> None:
        """Send each request at its time, without waiting for the answers of others."""
        begun = time.monotonic()
        self._sightings.expect(begun, {f"start-{next(self._numbers)}": begun + at for at in times})
        async with asyncio.TaskGroup() as group:
            for name, moments in self._sightings.moments.items():
                await asyncio.sleep(max(0.0, moments["due"] - time.monotonic()))
                group.create_task(self._create_one(http, name))

    async def _create_one(self, http: aiohttp.ClientSession, name: str) -> None:
        body = self._kind.body(name)
        self._sightings.mark(name, "sent", time.monotonic())
        await call(http, "POST", self._kind.resource.path(self._stage.namespace), body)
        self._sightings.mark(name, "acknowledged", time.monotonic())

    async def _until(self, moment: str) -> None:
        async with asyncio.timeout(patience(len(self._sightings.moments))):
            while not self._sightings.all_have(moment):
                self._changed.clear()
                await self._changed.wait()

    async def _ended(self, http: aiohttp.ClientSession) -> None:
        await self._until("over")
        path = self._kind.resource.path(self._stage.namespace)
        async with asyncio.timeout(patience(len(self._sightings.moments))):
            while not all(map(self._kind.finished, (await call(http, "GET", path))["items"])):  # noqa: ASYNC110  # others' doing
                await asyncio.sleep(POLL_SECONDS)

    async def _clear(self, http: aiohttp.ClientSession) -> None:
        """Delete all objects: no turn inherits some, or work."""
        await tidy(http, self._stage.namespace, self._kind.resource, Load(len(self._sightings.moments)))

    def _totals(self) -> Totals:
        return totals(self._operator.probe("metrics", "metrics")[1]) if self._operator else {}

    def _turn(self, pace: Pace, operator: dict[str, Mean], cores: float) -> OpenTurn:
        seen = self._sightings
        return OpenTurn(
            kind=self._kind.name,
            sent=len(seen.moments),
            late=quantiles(seen.took(LATE)),
            steps={name: quantiles(seen.took(step)) for name, step in STEPS.items()},
            windows=windows(seen.arrived(STEPS[TOTAL]), pace.window_seconds, pace.seconds),
            operator=operator,
            busy=cores,
        )
