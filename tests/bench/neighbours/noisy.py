"""The noisy tenant: a crowd of Runs that report, ask, change, die and are recreated, at the configured rate.

Reports are put into etcd, so that the API server only has to send their events: the cost of its writes is not the operator's.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from controller.api.base import JsonObject
from controller.kube.resources import AGENT_REPORTS
from tests.bench.load import all_of
from tests.bench.neighbours.plan import Plan
from tests.bench.neighbours.tenant import Tenant
from tests.bench.pace import paced
from tests.bench.scale.etcd import Etcd, stored
from tests.cluster import Cluster

TURN = ("report", "report", "report", "report", "report", "report", "question", "change", "death", "passing")
"""The mix of ten changes: most are reports, as from working agents."""
LOOK_SECONDS = 0.2


class Noisy:
    """The crowd; `done` counts its changes, by kind."""

    def __init__(self, cluster: Cluster, tenant: Tenant, plan: Plan) -> None:
        self._cluster, self._tenant, self._plan = cluster, tenant, plan
        self.names = [f"noisy-{number}" for number in range(plan.crowd)]
        self._reports: dict[str, JsonObject] = {}
        self._turns = itertools.count()
        self.done: Counter[str] = Counter()

    async def gather(self) -> None:
        """Wait until the crowd works, each with a report."""
        await all_of(lambda name=name: self._tenant.create(name) for name in self.names)  # type: ignore[misc]
        for name in self.names:
            await self._tenant.seen(lambda name=name: self._tenant.works(name), self._plan.patience)  # type: ignore[misc]
            self._reports[name] = await self._tenant.report(name, 1)

    @asynccontextmanager
    async def loud(self) -> AsyncIterator[None]:
        """Be noisy while the context lasts."""
        self.done.clear()
        async with Etcd(self._cluster) as etcd:
            task = asyncio.create_task(self._go(etcd))
            try:
                yield
            finally:
                task.cancel()
                await asyncio.wait([task])

    async def has_done_everything(self) -> None:
        """Wait until every kind of change was made. Raises TimeoutError."""
        async with asyncio.timeout(self._plan.patience):
            while not set(TURN) <= set(self.done):  # noqa: ASYNC110  # a counter sets no event
                await asyncio.sleep(LOOK_SECONDS)

    async def _go(self, etcd: Etcd) -> None:
        while True:
            await paced(len(TURN) * len(self.names), self._plan.rate * self._plan.factor, lambda _: self._one(etcd))

    async def _one(self, etcd: Etcd) -> None:
        turn = next(self._turns)
        kind, name = TURN[turn % len(TURN)], self.names[turn // len(TURN) % len(self.names)]
        match kind:
            case "report" | "question":
                await self._report(etcd, self.names[turn % len(self.names)], turn if kind == "question" else None)
            case "change":
                await self._tenant.change(name, tokenBudget=1_000_000 + turn)
            case "death":
                await self._tenant.die(name)
            case "passing":
                await self._tenant.create(f"passing-{turn}")
                await self._tenant.delete(f"passing-{turn}")
        self.done[kind] += 1

    async def _report(self, etcd: Etcd, name: str, question: int | None) -> None:
        report, speaker = self._reports[name], self._tenant.speaker(name)
        report["status"] |= speaker | {"seq": report["status"]["seq"] + 1}
        if question is not None:
            report["status"]["questions"] = [{"id": f"q{question}", "text": "Go on?"}]
        for entry in report["metadata"]["managedFields"]:
            entry["time"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        await etcd.put(AGENT_REPORTS, self._tenant.namespace, report["metadata"]["name"], stored(report))
