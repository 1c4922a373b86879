"""The cost of some work for the operator, the API server, etcd and the benchmark itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict

from controller.api.base import JsonObject
from tests.bench.audit import AuditLog
from tests.bench.controllers import Stage
from tests.bench.measured import Spent
from tests.bench.procfs import Usage, part, reset_peak, usage
from tests.bench.scale.waits import Buckets, buckets, waits
from tests.support import OperatorProcess

MIB, MILLISECONDS, PERCENT = 2**20, 1000, 100
QUIET_SHARE = 0.1
"""Share of a core: an operator that uses less has caught up."""


class Gauge:
    """Measures the operator of a stage; `operator` returns its current process."""

    def __init__(self, stage: Stage, operator: Callable[[], OperatorProcess], settling_seconds: float) -> None:
        self._stage, self._operator, self._settling = stage, operator, settling_seconds
        self._audit = AuditLog(stage.cluster)

    async def start(self, begin: Callable[[], Awaitable[JsonObject]]) -> JsonObject:
        """Return the result of starting an operator, and its cost until it had caught up."""
        mark = self._audit.mark()
        told = await begin()
        await self.quiet()
        used, written = usage(self._operator().pid), self._audit.tally(self._stage.user, mark)
        return told | {"cpu": used.cpu, **_memory(used), "writes": dict(written.writes)}

    async def quiet(self) -> None:
        """Wait until the operator has caught up, which its low CPU usage shows."""
        before = float("-inf")
        while (now := usage(self._operator().pid).cpu) - before > QUIET_SHARE * self._settling:
            before = now
            await asyncio.sleep(self._settling)

    async def measured(self, work: Callable[[], Awaitable[JsonObject]]) -> JsonObject:
        """Return the result of some work, and its cost by process, also per object if it has any."""
        reset_peak(self._operator().pid)
        queue, mark, before, begun = await self._buckets(), self._audit.mark(), self._spent(), time.monotonic()
        told = await work()
        await asyncio.sleep(self._settling)
        lasted = time.monotonic() - begun
        spent, used, written = self._spent() - before, usage(self._operator().pid), self._audit.tally(self._stage.user, mark)
        each = {"cpu_ms_each": spent.controller / told["objects"] * MILLISECONDS} if told.get("objects") else {}
        figures = {"writes": dict(written.writes), "events_posted": written.events, "refused": written.refused}
        cpu = {"cpu": asdict(spent), "cpu_percent": spent.controller / lasted * PERCENT}
        waited = {"waited_for_a_worker": waits(queue, await self._buckets())}
        return told | each | _memory(used) | figures | cpu | waited

    async def _buckets(self) -> Buckets:
        return buckets((await asyncio.to_thread(self._operator().probe, "metrics", "metrics"))[1])

    def _spent(self) -> Spent:
        server, etcd = (usage(part(self._stage.cluster, name)).cpu for name in ("kube-apiserver", "etcd"))
        return Spent(usage(self._operator().pid).cpu, server, etcd, time.process_time())


def _memory(used: Usage) -> JsonObject:
    return {"rss_mib": round(used.resident / MIB, 1), "peak_mib": round(used.peak / MIB, 1)}
