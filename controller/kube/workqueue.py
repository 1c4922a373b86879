"""A queue of due keys: deduplicated, delayed, with backoff for each key, and never processed by two workers at once.

The semantics are those of client-go's workqueue (https://pkg.go.dev/k8s.io/client-go/util/workqueue), for one event loop. In
addition, tenants take turns: a thousand ready keys of one tenant delay another tenant's key by one pass.
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
"""Limit of the exponent: beyond it a power of two would only overflow, and a key may fail for years."""
SUPERSEDED_KEPT = 64
"""Number of superseded heap entries that is tolerated in addition to twice the number of delayed keys."""


def everybody(_: Hashable) -> Hashable:
    """Return one tenant for all keys: the queue is then first in, first out."""
    return None


class ShutDown(Exception):  # a signal to workers, not a fault
    """The queue gives out no more keys."""


class WorkQueue(Generic[K]):
    """A queue of keys for several workers.

    `clock` returns monotonic seconds. `waited` gets the seconds that each key was ready before a worker took it. `tenant` returns
    the tenant of a key.
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
        """Number of keys that are ready and not yet taken."""
        return len(self._ready)

    def add(self, key: K) -> None:
        """Make a key ready. A key that is being processed becomes ready when that is done; a held key when its hold ends."""
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
        """Make a key ready after some seconds; the earliest of several calls counts."""
        if self._closed or key in self._since:
            return
        due = self._clock() + max(0.0, seconds)
        if self._due.get(key, due + 1) > due:
            self._due[key] = due
            heapq.heappush(self._delayed, (due, next(self._tie), key))
            self._drop_superseded()
            self._arm_timer()

    def add_rate_limited(self, key: K, hold: float = 0.0) -> None:
        """Make a key ready after its backoff, which doubles with every call until `forget`, but not before `hold` seconds.

        `hold` is a wait that the API server asked for: events in the meantime do not make the key ready earlier.
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
        """Wait for a ready key and take it; call `done` when it has been processed. Raises ShutDown."""
        while True:
            key = self.take()
            if key is not None:
                return key
            if self._closed:
                raise ShutDown
            await self._wait()

    def take(self) -> K | None:
        """Take a ready key without waiting; None if no key is ready."""
        self._promote()
        if not self._ready:
            return None
        key = self._ready.next()
        self._waited(self._clock() - self._since.pop(key))
        self._busy.add(key)
        return key

    def done(self, key: K) -> None:
        """Mark a taken key as processed."""
        self._busy.discard(key)
        if key in self._dirty:
            self._dirty.discard(key)
            self.add(key)

    def next_due(self) -> float | None:
        """Return the seconds until the earliest delayed key becomes ready; None if no key is delayed."""
        return max(0.0, self._delayed[0][0] - self._clock()) if self._delayed else None

    def shut_down(self) -> None:
        """Give out no more keys; work in progress may finish."""
        self._closed = True
        self._ready.clear()
        self._since.clear()
        if self._alarm:
            self._alarm.cancel()
        while self._idle:
            self._wake()

    def _held_for(self, key: K) -> float:
        """Return for how many more seconds a key must not become ready."""
        return self._held[key] - self._clock() if key in self._held else 0.0

    def _promote(self) -> None:
        while self._delayed and self._delayed[0][0] <= self._clock():
            due, _, key = heapq.heappop(self._delayed)
            if self._due.get(key) == due:
                self.add(key)

    def _drop_superseded(self) -> None:
        """Remove heap entries that an earlier delay or an `add` has superseded, so that they do not pile up."""
        if len(self._delayed) > 2 * len(self._due) + SUPERSEDED_KEPT:
            self._delayed = [entry for entry in self._delayed if self._due.get(entry[2]) == entry[0]]
            heapq.heapify(self._delayed)

    async def _wait(self) -> None:
        """Wait to be woken; each key wakes only one idle worker."""
        woken = asyncio.get_running_loop().create_future()
        self._idle.append(woken)
        self._arm_timer()
        try:
            await woken
        except asyncio.CancelledError:
            if woken.done() and not woken.cancelled():
                self._wake()  # Our key now goes to another worker.
            raise

    def _wake(self) -> None:
        while self._idle:
            woken = self._idle.popleft()
            if not woken.done():
                woken.set_result(None)
                return

    def _arm_timer(self) -> None:
        """Set the timer that promotes the earliest delayed key, if a worker waits for one."""
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
    """Process keys with `count` workers until the queue shuts down.

    `handle` returns the seconds until the key is due again, or None if only an event makes it due. If `handle` raises, the error
    goes to `failed`, which returns the minimum seconds until the retry; the key is retried with backoff and never stops the others.
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
        except Exception as error:  # noqa: BLE001  # `failed` logs and counts it, the key is retried; a worker that ended would stop all keys
            queue.add_rate_limited(key, failed(key, error))
        else:
            queue.forget(key)
            if recheck_seconds is not None:
                queue.add_after(key, recheck_seconds)
        finally:
            queue.done(key)
