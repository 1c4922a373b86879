"""One reconcile of one Run, in five steps:

1. Observe from the caches, and plan. If nothing is due, write the status if it differs, and end.
2. Observe live, and plan again. The cached Run is kept where `RunFreshness` allows it.
3. Carry the plan out step by step: harmless creations, changes of the operator's state, one save of state and status by
   compare-and-swap, and then the effects that the saved state allows. Plan again after each step.
4. Write the status, or delay an update that follows from no decision (`StatusThrottle`).
5. Return when to reconcile again.

The cluster then holds everything that later reconciles need, so a crash at any point loses nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

import structlog

from controller.api.base import JsonObject
from controller.api.names import RunKey
from controller.cache.run_cache import RunCache
from controller.errors import RunwatchmanError
from controller.ledger.recorder import Recorder
from controller.ledger.situations import Situation
from controller.observability.metrics import Metrics
from controller.plan import Plan, Snapshot, plan
from controller.plan.attempts.budget import run_budget_left
from controller.plan.attempts.cleanup import has_held_pod
from controller.plan.context import PlanContext
from controller.plan.steps import MAX_STEPS, next_step
from controller.reconcile.actions import Tools
from controller.reconcile.decision_log import DecisionLog
from controller.reconcile.observer import Observation, Observer
from controller.reconcile.run_freshness import RunFreshness
from controller.reconcile.status_throttle import StatusThrottle
from controller.reconcile.status_writer import StatusWriter
from controller.reconcile.step_runner import StepRunner
from controller.reconcile.work import Work
from controller.store import KnownRun, Store
from controller.store.garbage_collection import forget_if_gone


class Reconciler:
    """Reconciles Runs; the work queue makes sure that no two reconciles of one Run overlap."""

    def __init__(
        self,
        observer: Observer,
        store: Store,
        tools: Tools,
        cache: RunCache,
        metrics: Metrics,
        recorder: Recorder | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        throttle: StatusThrottle | None = None,
    ) -> None:
        self._observer, self._store, self._tools, self._cache = observer, store, tools, cache
        self._metrics, self._log, self._freshness = metrics, DecisionLog(metrics, recorder), RunFreshness(store)
        self._status = StatusWriter(store, tools, cache, metrics, monotonic, throttle)
        self._steps = StepRunner(tools, observer.starts, self._status, self._log)

    async def reconcile(self, key: RunKey) -> float | None:
        """Reconcile a Run; return in how many seconds to do it again, None for when something changes.

        Raises ApiError where the API server could not be asked, refused, or had a newer version; the caller retries with backoff.
        """
        with (
            structlog.contextvars.bound_contextvars(namespace=key.namespace, run=key.name),
            self._metrics.work_duration.time(),
        ):
            try:
                return await self._reconcile(key)
            except RunwatchmanError:
                self._freshness.failed(key)
                raise

    def drop(self, key: RunKey) -> None:
        """Keep nothing of a Run that another replica reconciles now."""
        self._forget_times(key)
        self._cache.release_reservation(key)
        self._metrics.set_budget_left(key.namespace, key.name, key.uid, None)
        self._tools.forget_advice(key)

    async def _reconcile(self, key: RunKey) -> float | None:
        self._status.begin(key)
        work = await self._observe(key)
        with self._log.recorded(work):
            decision = await self._carry_out(work)
        context = PlanContext(work.snapshot, self._tools.now())
        self._metrics.set_budget_left(key.namespace, key.name, key.uid, run_budget_left(context))
        if _needs_no_advice(work.snapshot):
            self._tools.forget_advice(key)
        if work.snapshot.run.gone:
            await self._status.refusals.record_release(work.snapshot)
            await self._forget(work)
        return await self._finish(work, decision)

    async def _observe(self, key: RunKey) -> Work:
        """Observe from the caches, and live if something is due."""
        seen = await self._observer.cached(key)
        decided = self._decide(seen.snapshot)
        use_cached = self._freshness.may_use_cached(key, decided.plan)
        if decided.plan.actions or seen.loaded.pending or has_held_pod(PlanContext(seen.snapshot, decided.at)):
            seen = await self._observe_live(key, seen.run if use_cached else None)
            decided = decided if seen.snapshot == decided.snapshot else self._decide(seen.snapshot)
        return Work.on(seen, decided, proven=not use_cached)

    async def _observe_live(self, key: RunKey, run: JsonObject | None = None) -> Observation:
        """Observe live, the Run too unless it is given."""
        seen = await self._observer.live(key, run)
        if run is None:
            self._freshness.confirmed(key)
        return seen

    async def _carry_out(self, work: Work) -> Plan:
        """Take step after step until none is due; return the last plan. A step that changes no fact keeps the plan."""
        decision = work.first.plan
        for _ in range(MAX_STEPS):
            step = next_step(decision, dirty=work.dirty, adopting=work.adopting)
            if step is None:
                break
            before = work.snapshot
            if work.allows(step):
                await self._steps.run(work, decision, step)
            elif not await self._is_unchanged(work):
                work.observed_again(await self._observe_live(work.key))
            decision = decision if work.snapshot is before else self._decide(work.snapshot).plan
        return decision

    async def _is_unchanged(self, work: Work) -> bool:
        """Prove that the Run is still as it was seen, and return whether it is: the cached one may be outdated, or a pod newer."""
        unchanged = await self._observer.unchanged(work.run, work.loaded)
        if unchanged:
            self._freshness.confirmed(work.key)
            work.confirmed()
        return unchanged

    async def _finish(self, work: Work, decision: Plan) -> float | None:
        """Write the status unless it can wait; return when to reconcile again."""
        due = [decision.verdict.next_check] if decision.verdict.next_check else []
        checks = [*map(self._seconds_until, due), *([0.0] if decision.actions else [])]
        has_status = not (work.snapshot.run.gone or work.snapshot.namespace_terminating)
        if has_status and (wait := await self._status.finish(work, decision)):
            checks.append(wait)
        return min(checks, default=None)

    async def _forget(self, work: Work) -> None:
        """Delete what is kept of a Run that is gone, and its state once all of its pods are released."""
        self._forget_times(work.key)
        if not work.run and not work.snapshot.pods:
            await forget_if_gone(self._store, self._tools.client, KnownRun(work.key.uid, work.key.namespace, work.key.name))

    def _forget_times(self, key: RunKey) -> None:
        self._status.forget(key)
        self._observer.starts.forget(key)
        self._freshness.confirmed(key)
        self._log.forget(key)

    def _decide(self, snapshot: Snapshot) -> Situation:
        now = self._tools.now()
        return Situation(snapshot, plan(snapshot, now), now)

    def _seconds_until(self, moment: datetime) -> float:
        return max(0.0, (moment - self._tools.now()).total_seconds())


def _needs_no_advice(snapshot: Snapshot) -> bool:
    """Return whether no decision follows from advice any more: the Run ends or is gone."""
    return snapshot.run.gone or (snapshot.state is not None and snapshot.state.stop is not None)
