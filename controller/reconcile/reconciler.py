"""One pass over one Run: observe, plan, act, write the status. Everything later passes need is in the cluster by then.

A pass looks at the caches first and ends there when nothing is due. Otherwise it observes live and works through the plan in
small steps: harmless creations, then changes of the operator's state, one save of state and status by compare-and-swap, and only
then the effects that the saved state allows. After each step the plan is made anew, so a crash at any point loses nothing. The
save also proves the Run: until then a pass may go by the cached one, and where no save comes first it reads the Run live.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

import structlog

from controller.api.base import JsonObject
from controller.api.names import RunKey
from controller.api.policy import NotificationEvent
from controller.cache.run_cache import RunCache
from controller.errors import RunwardenError
from controller.kube.event_recorder import record_phase_event
from controller.ledger.entry import Entry, entry_of
from controller.notify.message import finished, places_for
from controller.observability.metrics import Metrics
from controller.plan import Action, Plan, Snapshot
from controller.plan.attempts.budget import run_budget_left
from controller.plan.attempts.cleanup import has_held_pod
from controller.plan.context import PlanContext
from controller.plan.model import Charge
from controller.plan.plan_cache import PlanCache
from controller.plan.steps import Act, Change, Create, Next, Save, next_step, saves_first
from controller.plan.transitions import apply
from controller.reconcile.actions import Tools, perform
from controller.reconcile.observer import Observation, Observer
from controller.reconcile.status_throttle import StatusThrottle
from controller.status.status import build_status
from controller.store import STORE_FIELDS, KnownRun, Loaded, Store
from controller.store.garbage_collection import forget_if_gone

log = structlog.get_logger(__name__)

MAX_ROUNDS = 12
"""Steps that one pass takes at the most; what is still due then is left to the next pass."""


@dataclass(slots=True)
class _Pass:
    """What one pass has seen and done so far. The Run is `proven` once it was read live or a save over it has succeeded."""

    key: RunKey
    run: JsonObject
    snapshot: Snapshot
    loaded: Loaded
    digest: str
    proven: bool
    acted: list[Action] = field(default_factory=list)
    reserved: list[Charge] = field(default_factory=list)
    dirty: bool = False


class Reconciler:
    """Brings Runs forward, one pass at a time; no two passes of one Run may overlap."""

    def __init__(
        self,
        observer: Observer,
        store: Store,
        tools: Tools,
        inventory: RunCache,
        metrics: Metrics,
        record: Callable[[Entry], None] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._observer, self._store, self._tools = observer, store, tools
        self._inventory, self._metrics, self._monotonic = inventory, metrics, monotonic
        self._record = record
        self._lag = StatusThrottle()
        self._doubted: set[RunKey] = set()

    async def reconcile(self, key: RunKey) -> float | None:
        """Make one pass; return in how many seconds the next is due, None for when something happens.

        Raises ApiError where the API server could not be asked, refused, or has moved on; then it is made again, with backoff.
        """
        with (
            structlog.contextvars.bound_contextvars(namespace=key.namespace, run=key.name),
            self._metrics.work_duration.time(),
        ):
            try:
                return await self._pass(key)
            except RunwardenError:
                self._doubted.add(key)  # A write may have arrived although its answer did not: the cached Run is doubtful.
                raise

    def drop(self, key: RunKey) -> None:
        """Keep nothing of a Run that another operator works on."""
        self._lag.forget(key)
        self._doubted.discard(key)
        self._inventory.release_reservation(key)
        self._metrics.set_budget_left(key.namespace, key.name, key.uid, None)
        if self._tools.consultations:
            self._tools.consultations.forget(key)

    async def _pass(self, key: RunKey) -> float | None:
        seen = await self._observer.cached(key)
        first = PlanCache.compute(seen.snapshot, self._now())
        proven = not self._may_use_cached_run(key, first.plan)
        if first.plan.actions or seen.loaded.pending or has_held_pod(PlanContext(seen.snapshot, first.at)):
            seen = await self._observe_live(key, None if proven else seen.run)
            first = first.refresh(seen.snapshot, self._now())
        work = _Pass(key, seen.run, seen.snapshot, seen.loaded, first.plan.digest, proven, dirty=seen.loaded.pending)
        with self._on_record(first, work):
            decision = await self._work(work, first)
        self._metrics.reconciles.labels("acted" if work.acted else "noop").inc()
        self._metrics.set_budget_left(key.namespace, key.name, key.uid, run_budget_left(PlanContext(work.snapshot, self._now())))
        if self._tools.consultations and _over(work.snapshot):
            self._tools.consultations.forget(key)
        if work.snapshot.run.gone:
            self._lag.forget(key)
            self._doubted.discard(key)
            await self._forget(key, work)
        return await self._finish(work, decision)

    def _may_use_cached_run(self, key: RunKey, decision: Plan) -> bool:
        """Whether the pass will save over the cached Run before any effect. A state that is kept elsewhere proves no Run."""
        return saves_first(decision) and key not in self._doubted and not self._store.detached

    async def _observe_live(self, key: RunKey, run: JsonObject | None = None) -> Observation:
        """Look live, at the Run too unless it is given; see `Observer.live`."""
        seen = await self._observer.live(key, run)
        if run is None:
            self._doubted.discard(key)
        return seen

    @contextmanager
    def _on_record(self, first: PlanCache, work: _Pass) -> Iterator[None]:
        """Put a pass that acted into the ledger, with what it saw and decided first, and with what went wrong."""
        error = ""
        try:
            yield
        except RunwardenError as caught:
            error = str(caught)
            raise
        finally:
            if self._record and work.acted:
                self._record(entry_of(first.snapshot, first.plan, work.acted, error, first.at))

    async def _work(self, work: _Pass, planned: PlanCache) -> Plan:
        """Take step after step until none is due, and return the last plan."""
        for _ in range(MAX_ROUNDS):
            step = next_step(planned.plan, dirty=work.dirty)
            if step is None:
                break
            if isinstance(step, Act) and not work.proven:
                await self._reobserve(work)
            else:
                await self._apply_step(work, planned.plan, step)
            planned = planned.refresh(work.snapshot, self._now())
        return planned.plan

    async def _reobserve(self, work: _Pass) -> None:
        """An effect is due and no save came first: nothing follows from a cached Run."""
        seen = await self._observe_live(work.key)
        work.run, work.snapshot, work.loaded = seen.run, seen.snapshot, seen.loaded
        work.dirty, work.proven = seen.loaded.pending, True

    async def _apply_step(self, work: _Pass, decision: Plan, step: Next) -> None:
        match step:
            case Create(actions) | Act(actions):
                await self._perform(work, actions)
            case Change(actions):
                self._change(work, actions)
            case Save():
                await self._save(work, self._status(work, decision))

    def _change(self, work: _Pass, actions: tuple[Action, ...]) -> None:
        for action in actions:
            work.snapshot = replace(work.snapshot, state=apply(work.snapshot, action, self._now()))
            self._record_action(work, action)
            if action.charge:
                work.reserved.append(action.charge)
        work.dirty = True

    async def _perform(self, work: _Pass, actions: tuple[Action, ...]) -> None:
        for action in actions:
            work.snapshot = await perform(self._tools, work.snapshot, action)
            self._record_action(work, action)

    def _record_action(self, work: _Pass, action: Action) -> None:
        work.acted.append(action)
        self._metrics.decisions.labels(action.intent.value, action.reason.value).inc()
        log.info(
            "acted",
            intent=action.intent.value,
            step=action.step.value,
            reason=action.reason.value,
            agent=action.agent or None,
            attempt=action.attempt if action.agent else None,
            plan=work.digest,
        )

    async def _finish(self, work: _Pass, decision: Plan) -> float | None:
        """Write the status if it is worth a write now, and say when to look again."""
        checks = [self._seconds_until(decision.verdict.next_check)] if decision.verdict.next_check else []
        if decision.actions:
            checks.append(0.0)
        if _has_status(work.snapshot) and (wait := await self._write(work, self._status(work, decision))):
            checks.append(wait)
        return min(checks, default=None)

    async def _write(self, work: _Pass, status: JsonObject) -> float:
        """Write a status that says something new; return for how many seconds that can wait instead, 0 for not at all."""
        if not (work.dirty or _differs(status, work.run.get("status", {}))):
            self._lag.nothing_new(work.key)
            return 0.0
        wait = 0.0 if work.acted else self._lag.wait(work.key, self._monotonic())
        if wait <= 0:
            await self._save(work, status)
        return max(0.0, wait)

    def _status(self, work: _Pass, decision: Plan) -> JsonObject:
        before = work.run.get("status", {})
        return build_status(work.snapshot, replace(decision, digest=work.digest), work.acted, before, self._now())

    async def _save(self, work: _Pass, status: JsonObject) -> None:
        """Save state and status in one compare-and-swap, and tell people of a new fate."""
        before = work.run.get("status", {})
        state = work.snapshot.state if work.dirty else None
        work.run, work.loaded = await self._store.commit(work.run, work.loaded, state, status)
        work.dirty, work.proven = False, True
        self._count_restarts(work)
        self._lag.written(work.key, self._monotonic())
        self._inventory.upsert_run(work.run)
        self._notify_finished(work, before.get("completionTime"))
        await record_phase_event(self._tools.client, before.get("phase"), work.run)

    def _notify_finished(self, work: _Pass, completed_before: str | None) -> None:
        """Have people told of a Run that the write just made has finished: only one write can be that one."""
        places = places_for(work.snapshot.policy, NotificationEvent.RUN_FINISHED)
        if places and (message := finished(completed_before, work.run)):
            self._tools.send_message(message, places)

    def _count_restarts(self, work: _Pass) -> None:
        """Count what was saved: a reservation whose save came too late is made, and counted, by a later pass."""
        for charge in work.reserved:
            self._metrics.restarts.labels(charge.value).inc()
        work.reserved.clear()

    async def _forget(self, key: RunKey, work: _Pass) -> None:
        """Have the store forget a Run that exists no more, once all of its pods were let go."""
        if not work.run and not work.snapshot.pods:
            await forget_if_gone(self._store, self._tools.client, KnownRun(key.uid, key.namespace, key.name))

    def _now(self) -> datetime:
        return self._tools.now()

    def _seconds_until(self, moment: datetime) -> float:
        return max(0.0, (moment - self._now()).total_seconds())


def _over(snapshot: Snapshot) -> bool:
    """Whether nothing more will follow from what an advisor may say."""
    return snapshot.run.gone or (snapshot.state is not None and snapshot.state.stop is not None)


def _has_status(snapshot: Snapshot) -> bool:
    """Whether the Run is there to be written to, and not on its way out."""
    return not (snapshot.run.gone or snapshot.namespace_terminating)


def _differs(status: JsonObject, before: JsonObject) -> bool:
    """Whether a status says something else than the one that is there, leaving aside what the store adds to it."""
    return status != {key: value for key, value in before.items() if key not in STORE_FIELDS}
