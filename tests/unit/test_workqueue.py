"""The work queue: no key is lost, none is handled twice at once, delays are kept, a poisoned key stops nobody."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from controller.workqueue import FIRST_BACKOFF_SECONDS, MAX_BACKOFF_SECONDS, ShutDown, WorkQueue, run_workers

KEYS = st.sampled_from("abc")


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class QueueModel(RuleBasedStateMachine):
    """Every order of adding, delaying, taking and giving back, against a model of what is owed."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.queue: WorkQueue[str] = WorkQueue(self.clock)
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
    """Each failure doubles the wait, up to the cap; a success starts over."""
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


async def test_a_poisoned_key_stops_nobody() -> None:
    """A handler that raises is reported and retried; the other keys are handled meanwhile; shutting down ends the workers."""
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
    async with asyncio.timeout(10):
        await run_workers(queue, 2, handle, lambda key, _: failures.append(key))
    assert failures == ["poison", "poison"]
    with pytest.raises(ShutDown):
        await queue.get()
