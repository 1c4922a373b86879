"""The only writer of a Run's status: it saves state and status together, and delays updates that follow from no decision."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from controller.api.base import JsonObject
from controller.api.names import RunKey
from controller.cache.run_cache import RunCache
from controller.kube.errors import ApiError
from controller.observability.metrics import Metrics
from controller.plan import Plan
from controller.plan.actions import CreateClaim, CreatePod, Ungate
from controller.reconcile.actions import Tools
from controller.reconcile.after_save import AfterSave
from controller.reconcile.status_throttle import StatusThrottle
from controller.reconcile.unrecorded_refusals import UnrecordedRefusals
from controller.reconcile.work import Work
from controller.status.status import build_status
from controller.store import STORE_FIELDS, Store


class StatusWriter:
    """Writes the status of Runs through the store; `now` is the API server's time, `monotonic` the throttle's."""

    def __init__(
        self,
        store: Store,
        tools: Tools,
        cache: RunCache,
        metrics: Metrics,
        monotonic: Callable[[], float] = time.monotonic,
        throttle: StatusThrottle | None = None,
    ) -> None:
        self._store, self._cache, self._monotonic = store, cache, monotonic
        self._now: Callable[[], datetime] = tools.now
        self._after_save, self._throttle = AfterSave(tools, metrics), throttle or StatusThrottle()
        self.refusals = UnrecordedRefusals(tools.client, metrics)

    def begin(self, key: RunKey) -> None:
        """Record that a reconcile of a Run begins."""
        self._throttle.begin(key)

    def starting(self, key: RunKey) -> None:
        """Record that an agent of a Run is about to be started: what follows for its pod may be shown some seconds later."""
        self._throttle.started(key, self._monotonic())

    async def save(self, work: Work, decision: Plan) -> None:
        """Save state and status in one compare-and-swap. Raises Conflict where the Run or its state has changed."""
        await self._commit(work, self._status(work, decision))

    async def finish(self, work: Work, decision: Plan) -> float:
        """Write the status if it differs; return in how many seconds to write it if that can wait, 0 if nothing waits."""
        status = self._status(work, decision)
        if not (work.dirty or work.adopting or _differs(status, work.status_before)):
            self._throttle.nothing_new(work.key)
            return 0.0
        wait = self._wait(work)
        if wait <= 0:
            await self._commit(work, status)
        return max(0.0, wait)

    def _wait(self, work: Work) -> float:
        """Return in how many seconds to write the status: at once after a decision, a start excepted."""
        now = self._monotonic()
        if (work.dirty or work.acted) and not _only_started(work):
            return 0.0
        return self._throttle.wait(work.key, now)

    def forget(self, key: RunKey) -> None:
        """Keep nothing of a Run."""
        self._throttle.forget(key)

    def _status(self, work: Work, decision: Plan) -> JsonObject:
        """Build the status; it shows the digest of the first plan, by which the ledger finds the reconcile."""
        return build_status(work.snapshot, decision, work.acted, work.status_before, self._now(), work.first.plan)

    async def _commit(self, work: Work, status: JsonObject) -> None:
        before, state = work.status_before, work.snapshot.state if work.dirty or work.adopting else None
        try:
            work.run, work.loaded = await self._store.commit(work.run, work.loaded, state, status)
        except ApiError as error:
            await self.refusals.record_status(work.key, error)
            raise
        work.dirty = False
        work.confirmed()
        self._throttle.written(work.key, self._monotonic())
        self._cache.apply_run(work.run)
        await self._after_save(work, before)


def _only_started(work: Work) -> bool:
    """Return whether this pass started pods and did nothing else, and nothing was refused: people can wait for that."""
    started = any(isinstance(action, Ungate) for action in work.acted)
    starts = all(isinstance(action, CreateClaim | CreatePod | Ungate) for action in work.acted)
    return started and starts and not (work.dirty or work.snapshot.refusals)


def _differs(status: JsonObject, before: JsonObject) -> bool:
    """Return whether a status differs from the stored one, the fields that the store adds left out."""
    return status != {key: value for key, value in before.items() if key not in STORE_FIELDS}
