"""The measured tenant: its Runs are created, changed, fail, ask and are stopped, one after the other."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable

from tests.bench.neighbours.plan import Plan
from tests.bench.neighbours.tenant import Tenant

KINDS = ("create", "change", "death", "question", "stop")
"""Changes, in the order of a story. All but `change` lead to a decision; `change` updates the status only, which is throttled."""
STOPPED = frozenset({"Stopping", "Stopped"})


class Quiet:
    """Runs this many stories at once, and records for each change the time until its Run's status shows it."""

    def __init__(self, tenant: Tenant, plan: Plan) -> None:
        self._tenant, self._plan = tenant, plan
        self._names = itertools.count()
        self.latencies: dict[str, list[float]] = defaultdict(list)

    async def go(self) -> dict[str, list[float]]:
        """Go through all stories; return the seconds of each kind of change."""
        self.latencies = defaultdict(list)
        left = iter(range(self._plan.stories))
        async with asyncio.TaskGroup() as group:
            for _ in range(self._plan.side_by_side):
                group.create_task(self._some(left))
        return dict(self.latencies)

    async def _some(self, left: object) -> None:
        for _ in left:  # type: ignore[attr-defined]  # shared by all concurrent stories
            await self._story(f"quiet-{next(self._names)}")

    async def _story(self, run: str) -> None:
        at, tenant = self._tenant, self._tenant
        await self._timed("create", lambda: tenant.create(run), lambda: at.status(run).get("phase"))
        await self._until(lambda: at.works(run))
        await self._change(run)
        await self._timed("death", lambda: tenant.die(run), lambda: at.status(run).get("restarts", 0) >= 1)
        await self._until(lambda: at.works(run))
        await self._timed("question", lambda: tenant.report(run, 1, "q"), lambda: at.status(run).get("openEscalations", 0) >= 1)
        await self._timed(
            "stop", lambda: tenant.change(run, desiredState="Stopped"), lambda: at.status(run).get("phase") in STOPPED
        )
        await self._until(lambda: at.status(run).get("phase") == "Stopped")
        await tenant.delete(run)

    async def _change(self, run: str) -> None:
        tenant, made = self._tenant, 0

        async def change() -> None:
            nonlocal made
            made = await tenant.change(run, tokenBudget=1_000_000)

        await self._timed("change", change, lambda: made and tenant.status(run).get("observedGeneration", 0) >= made)

    async def _timed(self, kind: str, do: Callable[[], Awaitable[object]], shows: Callable[[], object]) -> None:
        """Measure from the moment in which a change is stored: the API server's time for that is not the operator's."""
        await do()
        begun = time.monotonic()
        self.latencies[kind].append(await self._until(shows) - begun)

    async def _until(self, condition: Callable[[], object]) -> float:
        return await self._tenant.seen(condition, self._plan.patience)
