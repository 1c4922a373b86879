"""The work queue: no key is lost, none is handled twice at once, delays are kept, and a failing key blocks no other."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from controller.kube.workqueue import FIRST_BACKOFF_SECONDS, MAX_BACKOFF_SECONDS, ShutDown, WorkQueue, run_workers

KEYS = st.sampled_from("abc")


class Clock:
    """A clock that only moves on request."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class QueueModel(RuleBasedStateMachine):
    """Every order of add, delay, take and return, against a model of the due keys; a and b belong to one tenant."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.queue: WorkQueue[str] = WorkQueue(self.clock, tenant=lambda key: key == "c")
        self.owed: dict[str, float] = {}
        self.busy: set[str] = set()

    @rule(key=KEYS)
    def add(self, key: str) -> None:
        self.queue.add(key)
        self.owed[key] = self.clock.now

    @rule(key=KEYS, seconds=st.integers(0, 20))
    def add_after(self, key: str, seconds: int) -> None:
        self.queue.add_after(key, seconds)
        self.owed[key] = min(self.owed.get(key, float("inf")), self.clock.now + seconds)

    @rule()
    def take(self) -> None:
        key = self.queue.take()
        if key is None:
            assert not [k for k, due in self.owed.items() if due <= self.clock.now and k not in self.busy]
            return
        assert key not in self.busy, "handled twice at once"
        assert self.owed.pop(key) <= self.clock.now, "given out early"
        self.busy.add(key)

    @rule(key=KEYS)
    def done(self, key: str) -> None:
        if key in self.busy:
            self.queue.done(key)
            self.busy.discard(key)

    @rule(seconds=st.integers(1, 10))
    def wait(self, seconds: int) -> None:
        self.clock.now += seconds

    @invariant()
    def next_due_is_never_late(self) -> None:
        pending = [due for key, due in self.owed.items() if due > self.clock.now and key not in self.busy]
        due = self.queue.next_due()
        if pending and self.queue.depth == 0:
            assert due is not None
            assert self.clock.now + due <= min(pending)


QueueModel.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestQueueModel = QueueModel.TestCase


def test_backoff_doubles_to_its_cap_and_is_forgotten() -> None:
    """Each failure doubles the wait, up to the cap; a success resets it."""
    queue: WorkQueue[str] = WorkQueue(clock := Clock())
    waits = []
    for _ in range(12):
        queue.add_rate_limited("a")
        waits.append(queue.next_due())
        clock.now += MAX_BACKOFF_SECONDS
        queue.done(str(queue.take()))
    assert waits[:3] == [FIRST_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2, FIRST_BACKOFF_SECONDS * 4]
    assert waits[-1] == MAX_BACKOFF_SECONDS
    queue.forget("a")
    queue.add_rate_limited("a")
    assert queue.next_due() == FIRST_BACKOFF_SECONDS


def test_a_held_key_is_left_alone_whatever_happens_meanwhile() -> None:
    """A key with a Retry-After of ten seconds waits that long, however short its backoff; other keys do not wait."""
    queue: WorkQueue[str] = WorkQueue(clock := Clock())
    queue.add("a")
    assert queue.take() == "a"
    queue.add("a")
    queue.add_rate_limited("a", 10.0)
    queue.done("a")
    queue.add("b")
    assert [queue.take(), queue.take()] == ["b", None]
    clock.now = 9.0
    queue.add("a")
    assert queue.take() is None
    clock.now = 10.0
    assert queue.take() == "a"


def test_a_hold_shortens_no_backoff_and_ends_with_a_success() -> None:
    """The longer one of backoff and hold counts; a success ends the hold."""
    queue: WorkQueue[str] = WorkQueue(Clock())
    queue.add_rate_limited("b", 1.0)
    queue.forget("b")
    queue.add("b")
    assert queue.take() == "b"
    fresh: WorkQueue[str] = WorkQueue(clock := Clock())
    for _ in range(6):
        fresh.add_rate_limited("a", 1.0)
        clock.now += MAX_BACKOFF_SECONDS
        fresh.done(str(fresh.take()))
    fresh.add_rate_limited("a", 1.0)
    assert fresh.next_due() == FIRST_BACKOFF_SECONDS * 2**6


async def test_a_poisoned_key_stops_nobody() -> None:
    """A handler that raises is reported and retried; other keys are handled meanwhile, and a shutdown ends the workers."""
    queue: WorkQueue[str] = WorkQueue()
    handled: list[str] = []
    failures: list[str] = []

    async def handle(key: str) -> None:
        if key == "poison" and len(failures) < 2:
            raise ValueError(key)
        handled.append(key)
        if {"poison", "good", "better"} <= set(handled):
            queue.shut_down()

    for key in ("poison", "good", "better"):
        queue.add(key)

    def failed(key: str, _: Exception) -> float:
        failures.append(key)
        return 0.0

    async with asyncio.timeout(10):
        await run_workers(queue, 2, handle, failed)
    assert failures == ["poison", "poison"]
    with pytest.raises(ShutDown):
        await queue.get()


def test_backoff_survives_years_of_failure() -> None:
    """A power of two beyond a float's range must not end the worker that computes it."""
    queue: WorkQueue[str] = WorkQueue(clock := Clock())
    for _ in range(1100):
        queue.add_rate_limited("a")
        clock.now += MAX_BACKOFF_SECONDS
        queue.done(str(queue.take()))
    queue.add_rate_limited("a")
    assert queue.next_due() == MAX_BACKOFF_SECONDS


def test_superseded_delays_are_not_kept() -> None:
    """A key that is handled often, each time with a deadline a day ahead, does not accumulate entries until that day."""
    queue: WorkQueue[str] = WorkQueue(clock := Clock())
    for _ in range(5000):
        queue.add_after("a", 86_400)
        queue.add_after("b", 86_400)
        queue.add("a")
        clock.now += 1
        queue.done(str(queue.take()))
    queue.add_after("a", 86_400)
    assert len(queue._delayed) < 200
    clock.now += 86_400
    assert {queue.take(), queue.take(), queue.take()} == {"a", "b", None}


class CountingQueue(WorkQueue[int]):
    """A queue that counts the wake-ups of its workers."""

    looks = 0

    def take(self) -> int | None:
        self.looks += 1
        return super().take()


async def idle_workers(queue: WorkQueue[int], count: int, handled: list[int]) -> list[asyncio.Task[None]]:
    async def work() -> None:
        while True:
            key = await queue.get()
            handled.append(key)
            queue.done(key)

    tasks = [asyncio.create_task(work()) for _ in range(count)]
    await asyncio.sleep(0.01)
    return tasks


async def end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


@pytest.mark.parametrize("delay", [None, 0.02])
async def test_a_key_wakes_one_worker(delay: float | None) -> None:
    """A key wakes one of sixteen idle workers, at once or when it is due; waking all costs more than most passes."""
    queue, handled = CountingQueue(), list[int]()
    tasks = await idle_workers(queue, 16, handled)
    before = queue.looks
    queue.add(1) if delay is None else queue.add_after(1, delay)
    await asyncio.sleep(0.1)
    assert handled == [1]
    assert queue.looks - before <= 3
    await end(tasks)


async def test_an_earlier_delay_is_not_waited_past() -> None:
    """Workers that wait for a late key notice one that becomes due before it."""
    queue, handled = WorkQueue[int](), list[int]()
    tasks = await idle_workers(queue, 2, handled)
    queue.add_after(1, 60)
    queue.add_after(2, 0.01)
    queue.add_after(3, 0.02)
    await asyncio.sleep(0.1)
    assert handled == [2, 3]
    await end(tasks)


async def test_a_worker_cancelled_as_it_is_woken_takes_no_key_along() -> None:
    """The key of a cancelled worker goes to another worker."""
    queue, handled = WorkQueue[int](), list[int]()
    first = await idle_workers(queue, 1, handled)
    others = await idle_workers(queue, 1, handled)
    queue.add(1)
    first[0].cancel()
    await asyncio.sleep(0.05)
    assert handled == [1]
    await end([*first, *others])


async def test_keys_in_hand_are_finished_at_shut_down() -> None:
    """After a shutdown no key is handed out, and the workers end when their current passes are done."""
    queue, started, go, handled = WorkQueue[int](), asyncio.Event(), asyncio.Event(), list[int]()

    async def handle(key: int) -> float:
        started.set()
        await go.wait()
        handled.append(key)
        return 0.0

    queue.add(1)
    queue.add(2)
    working = asyncio.create_task(run_workers(queue, 1, handle, lambda *_: 0.0))
    await started.wait()
    queue.shut_down()
    queue.add(3)
    go.set()
    async with asyncio.timeout(5):
        await working
    assert handled == [1]
