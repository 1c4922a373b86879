"""The fair queue: the keys take turns, and no place is lost."""

from __future__ import annotations

import asyncio

import pytest

from controller.adapter.queue import FairQueue, Full

LONG = 60.0


async def test_keys_take_turns() -> None:
    """A key with a hundred in wait delays another by one turn."""
    queue, served = FairQueue(1, 200), list[str]()

    async def ask(key: str) -> None:
        async with queue.place(key, LONG):
            served.append(key)
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        for key in ["busy"] * 100 + ["b", "c"]:
            tasks.create_task(ask(key))
    assert served[:5] == ["busy", "busy", "b", "c", "busy"]
    assert len(served) == 102


async def test_more_than_may_wait_are_refused() -> None:
    """Beyond the limit nobody waits, and whoever waits keeps the turn."""
    queue = FairQueue(1, 1)
    async with queue.place("a", LONG):
        waits = asyncio.create_task(_pass(queue, "b"))
        await asyncio.sleep(0)
        assert queue.waiting == 1
        with pytest.raises(Full):
            await _pass(queue, "c")
    await waits
    assert queue.waiting == 0


async def test_whoever_gives_up_leaves_no_gap() -> None:
    """A turn that was given up before and one given up in the moment it came are the next one's."""
    queue = FairQueue(1, 10)
    async with queue.place("a", LONG):
        gone, late, last = (asyncio.create_task(_pass(queue, key)) for key in "bcd")
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.wait([gone])
    late.cancel()  # Its turn has come, and it has not run yet.
    await last
    assert late.cancelled()
    async with queue.place("e", LONG):
        assert queue.waiting == 0


async def test_time_runs_while_waiting() -> None:
    """A turn that does not come is a TimeoutError, and the line is empty again."""
    queue = FairQueue(1, 10)
    async with queue.place("a", LONG):
        with pytest.raises(TimeoutError):
            async with queue.place("b", 0.01):
                pytest.fail("there was no place")
        assert queue.waiting == 0


async def _pass(queue: FairQueue, key: str) -> None:
    async with queue.place(key, LONG):
        pass
