"""Keys that are due: deduplicated, delayed, backed off one by one, and never handled twice at once.

The semantics are those of client-go's workqueue (https://pkg.go.dev/k8s.io/client-go/util/workqueue), for one event loop. Tenants
take turns beside that: ready keys are given out tenant by tenant, so that a thousand keys of one hold up another's by one pass.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from controller.kube.fair_queue import FairQueue

K = TypeVar("K", bound=Hashable)

FIRST_BACKOFF_SECONDS, MAX_BACKOFF_SECONDS = 0.25, 300.0
MAX_DOUBLINGS = 32
"""Beyond which a power of two would only overflow: a key may fail for years."""
SUPERSEDED_KEPT = 64
"""Overtaken entries that may lie in the heap of delays beside as many as there are delayed keys."""


def everybody(_: Hashable) -> Hashable:
    """Return the one tenant that all keys belong to where none are told apart: the queue is first in, first out."""
    return None


class ShutDown(Exception):  # a signal to workers, not a fault
    """The queue gives out no more keys."""


class WorkQueue(Generic[K]):
    """A queue of keys for several workers.

    `clock` gives monotonic seconds. `waited` is told how many seconds each key lay ready before a worker took it. `tenant` tells
    whose a key is.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        waited: Callable[[float], None] = lambda _: None,
        tenant: Callable[[K], Hashable] = everybody,
    ) -> None:
        self._clock, self._waited, self._tenant = clock, waited, tenant
        self._ready: FairQueue[Hashable, K] = FairQueue()
        self._since: dict[K, float] = {}
        self._busy: set[K] = set()
        self._dirty: set[K] = set()
        self._delayed: list[tuple[float, int, K]] = []
        self._due: dict[K, float] = {}
        self._failures: dict[K, int] = {}
        self._held: dict[K, float] = {}
        self._tie = itertools.count()
        self._idle: deque[asyncio.Future[None]] = deque()
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = 0.0
        self._closed = False

    @property
    def depth(self) -> int:
        """How many keys are ready and not yet taken."""
        return len(self._ready)

    def add(self, key: K) -> None:
        """Make a key ready; one that is being handled becomes ready again when that is done, one that is held when it may be."""
        if self._closed:
            return
        if (wait := self._held_for(key)) > 0:
            self.add_after(key, wait)
            return
        self._due.pop(key, None)
        if key in self._busy:
            self._dirty.add(key)
        elif key not in self._since:
            self._since[key] = self._clock()
            self._ready.put(self._tenant(key), key)
            self._wake()

    def add_after(self, key: K, seconds: float) -> None:
        """Make a key ready in some seconds; of several such wishes the earliest counts."""
        if self._closed or key in self._since:
            return
        due = self._clock() + max(0.0, seconds)
        if self._due.get(key, due + 1) > due:
            self._due[key] = due
            heapq.heappush(self._delayed, (due, next(self._tie), key))
            self._drop_superseded()
            self._arm_timer()

    def add_rate_limited(self, key: K, hold: float = 0.0) -> None:
        """Make a key ready after its backoff, which doubles with every call until `forget`, and not before `hold` seconds.

        `hold` is the wish of whoever refused it: what happens meanwhile makes the key ready no earlier.
        """
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        if hold > 0:
            self._held[key] = self._clock() + hold
        self.add_after(key, max(hold, min(FIRST_BACKOFF_SECONDS * 2 ** min(failures, MAX_DOUBLINGS), MAX_BACKOFF_SECONDS)))

    def forget(self, key: K) -> None:
        """Reset a key's backoff."""
        self._failures.pop(key, None)
        self._held.pop(key, None)

    async def get(self) -> K:
        """Wait for a ready key and take it; call `done` when it has been handled. Raises ShutDown."""
        while True:
            key = self.take()
            if key is not None:
                return key
            if self._closed:
                raise ShutDown
            await self._wait()

    def take(self) -> K | None:
        """Take a ready key without waiting; None where there is none."""
        self._promote()
        if not self._ready:
            return None
        key = self._ready.next()
        self._waited(self._clock() - self._since.pop(key))
        self._busy.add(key)
        return key

    def done(self, key: K) -> None:
        """Give a taken key back."""
        self._busy.discard(key)
        if key in self._dirty:
            self._dirty.discard(key)
            self.add(key)

    def next_due(self) -> float | None:
        """Return in how many seconds the earliest delayed key becomes ready; None where none is delayed."""
        return max(0.0, self._delayed[0][0] - self._clock()) if self._delayed else None

    def shut_down(self) -> None:
        """Give out no more keys; what is being handled may be finished."""
        self._closed = True
        self._ready.clear()
        self._since.clear()
        if self._alarm:
            self._alarm.cancel()
        while self._idle:
            self._wake()

    def _held_for(self, key: K) -> float:
        """For how many more seconds a key is not to be made ready."""
        return self._held[key] - self._clock() if key in self._held else 0.0

    def _promote(self) -> None:
        while self._delayed and self._delayed[0][0] <= self._clock():
            due, _, key = heapq.heappop(self._delayed)
            if self._due.get(key) == due:
                self.add(key)

    def _drop_superseded(self) -> None:
        """Keep entries that an earlier wish or an `add` has overtaken from piling up until their time."""
        if len(self._delayed) > 2 * len(self._due) + SUPERSEDED_KEPT:
            self._delayed = [entry for entry in self._delayed if self._due.get(entry[2]) == entry[0]]
            heapq.heapify(self._delayed)

    async def _wait(self) -> None:
        """Wait to be woken; only one idle worker is, for each key."""
        woken = asyncio.get_running_loop().create_future()
        self._idle.append(woken)
        self._arm_timer()
        try:
            await woken
        except asyncio.CancelledError:
            if woken.done() and not woken.cancelled():
                self._wake()  # The key that we were woken for is another's now.
            raise

    def _wake(self) -> None:
        while self._idle:
            woken = self._idle.popleft()
            if not woken.done():
                woken.set_result(None)
                return

    def _arm_timer(self) -> None:
        """Have the earliest delayed key promoted in time, if anybody waits for it."""
        if not (self._idle and self._delayed):
            return
        due = self._delayed[0][0]
        if self._alarm is None or due < self._alarm_at:
            if self._alarm:
                self._alarm.cancel()
            self._alarm_at = due
            self._alarm = self._idle[0].get_loop().call_later(max(0.0, due - self._clock()), self._on_timer)

    def _on_timer(self) -> None:
        self._alarm = None
        self._promote()
        self._arm_timer()


Handle = Callable[[K], Awaitable[float | None]]
Failed = Callable[[K, Exception], float]


async def run_workers(queue: WorkQueue[K], count: int, handle: Handle[K], failed: Failed[K]) -> None:
    """Handle keys with `count` workers until the queue shuts down.

    `handle` returns in how many seconds the key is due again, None for when something happens. One that raises is told to
    `failed`, which returns for how many seconds it is to be left alone at least, and tried again with backoff; it never stops the
    others.
    """
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(_work(queue, handle, failed), name=f"worker {number}")


async def _work(queue: WorkQueue[K], handle: Handle[K], failed: Failed[K]) -> None:
    while True:
        try:
            key = await queue.get()
        except ShutDown:
            return
        try:
            recheck_seconds = await handle(key)
        except Exception as error:  # noqa: BLE001  # as controller-runtime recovers: a poisoned object stops no other; told, retried
            queue.add_rate_limited(key, failed(key, error))
        else:
            queue.forget(key)
            if recheck_seconds is not None:
                queue.add_after(key, recheck_seconds)
        finally:
            queue.done(key)
