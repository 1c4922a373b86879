"""The turns of tenants in the work queue: nobody's load delays another by more than a turn."""

from __future__ import annotations

import pytest

from controller.kube.workqueue import WorkQueue
from tests.unit.test_workqueue import Clock


def tenant(key: str) -> str:
    return key[0]


def taken(queue: WorkQueue[str], count: int) -> list[str]:
    return [str(queue.take()) for _ in range(count)]


def test_tenants_take_turns() -> None:
    """A tenant with a thousand ready keys delays another's by one; each tenant's own keys stay in order."""
    queue: WorkQueue[str] = WorkQueue(tenant=tenant)
    for number in range(1000):
        queue.add(f"a{number}")
    for key in ("b0", "b1", "c0"):
        queue.add(key)
    assert taken(queue, 8) == ["a0", "b0", "c0", "a1", "b1", "a2", "a3", "a4"]
    queue.add("c1")
    assert taken(queue, 2) == ["a5", "c1"]
    assert queue.depth == 994


def latencies(noise: int, workers: int = 16, ticks: int = 200) -> list[float]:
    """Return the latency of each key of a quiet tenant, whose keys become ready one per tick next to those of a noisy tenant.

    A pass takes one tick, and each worker runs one at a time; above sixteen keys a tick the noisy tenant's queue grows without end.
    """
    queue: WorkQueue[str] = WorkQueue(clock := Clock(), tenant=tenant)
    took: list[float] = []
    for tick in range(ticks):
        for number in range(noise):
            queue.add(f"n{tick}-{number}")
        queue.add(f"q{tick}")
        for key in taken(queue, min(workers, queue.depth)):
            if tenant(key) == "q":
                took.append(clock.now + 1 - int(key[1:]))
            queue.done(key)
        clock.now += 1
    return sorted(took)


@pytest.mark.parametrize("noise", [1, 15, 100, 1000])
def test_a_noisy_tenant_at_most_doubles_the_others_latency(noise: int) -> None:
    """Even with a thousand times its load, far beyond the workers' capacity, a tenant's p99 is at most twice its own."""
    alone, beside = latencies(0), latencies(noise)
    assert len(beside) == len(alone)
    assert beside[int(0.99 * len(beside))] <= 2 * alone[int(0.99 * len(alone))]


def test_a_tenant_that_comes_again_at_once_gets_no_more_than_its_turn() -> None:
    """A key that is ready again after each pass, and one whose backoff ends now, wait for the others' turns."""
    queue: WorkQueue[str] = WorkQueue(clock := Clock(), tenant=tenant)
    for key in ("a0", "b0", "c0"):
        queue.add(key)
    order = []
    for _ in range(9):
        order.append(key := str(queue.take()))
        queue.add(key)
        queue.add_after(f"{key[0]}9", 0.0)
        queue.done(key)
        clock.now += 1
    assert [key[0] for key in order] == ["a", "b", "c"] * 3


def test_keys_of_nobody_in_particular_are_first_in_first_out() -> None:
    """Without tenants, the order is that in which the keys became ready."""
    queue: WorkQueue[str] = WorkQueue()
    for key in ("a0", "a1", "b0", "a2"):
        queue.add(key)
    assert taken(queue, 4) == ["a0", "a1", "b0", "a2"]


def test_no_turn_is_left_after_shutting_down() -> None:
    """Ready keys are not handed out any more, for any tenant."""
    queue: WorkQueue[str] = WorkQueue(tenant=tenant)
    queue.add("a0")
    queue.add("b0")
    queue.shut_down()
    assert queue.take() is None
    assert queue.depth == 0
