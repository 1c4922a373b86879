"""The fair queue: keys take turns, and no place is lost."""

from __future__ import annotations

import asyncio

import pytest

from controller.adapter.fair_semaphore import FairSemaphore, Full

LONG = 60.0


@pytest.mark.parametrize("level", ["tenant", "key"])
async def test_tenants_and_their_keys_take_turns(level: str) -> None:
    """A tenant with a hundred waiting questions, or a key of one, delays another by one turn only."""
    queue, served = FairSemaphore(1, 200, 200), list[str]()

    async def ask(key: str) -> None:
        async with queue.place(*((key, "run") if level == "tenant" else ("team", key)), LONG):
            served.append(key)
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        for key in ["busy"] * 100 + ["b", "c"]:
            tasks.create_task(ask(key))
    assert served[:5] == ["busy", "busy", "b", "c", "busy"]
    assert len(served) == 102


async def test_more_than_may_wait_are_refused() -> None:
    """Requests beyond the limit are refused; those that wait keep their turn."""
    queue = FairSemaphore(1, 1, 1)
    async with queue.place("team", "a", LONG):
        waits = asyncio.create_task(_pass(queue, "b"))
        await asyncio.sleep(0)
        assert queue.waiting == 1
        with pytest.raises(Full):
            await _pass(queue, "c")
    await waits
    assert queue.waiting == 0


async def test_cancelled_waiter_leaves_no_gap() -> None:
    """A turn that is cancelled, either early or just as it comes up, goes to the next in line."""
    queue = FairSemaphore(1, 10, 10)
    async with queue.place("team", "a", LONG):
        gone, late, last = (asyncio.create_task(_pass(queue, key)) for key in "bcd")
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.wait([gone])
    late.cancel()  # Its turn has come, and it has not run yet.
    await last
    assert late.cancelled()
    async with queue.place("team", "e", LONG):
        assert queue.waiting == 0


async def test_time_runs_while_waiting() -> None:
    """A turn that does not come in time raises TimeoutError, and the queue is empty again."""
    queue = FairSemaphore(1, 10, 10)
    async with queue.place("team", "a", LONG):
        with pytest.raises(TimeoutError):
            async with queue.place("team", "b", 0.01):
                pytest.fail("there was no place")
        assert queue.waiting == 0


async def test_a_tenant_waits_in_its_own_bounds() -> None:
    """A thousand questions of one tenant fill only its own share of the queue, and another tenant's question is served next."""
    queue, waiting = FairSemaphore(1, 500, 100), list[int]()
    async with queue.place("noisy", "a", LONG):
        crowd = [asyncio.create_task(_pass(queue, str(number), "noisy")) for number in range(1000)]
        await asyncio.sleep(0)
        assert queue.waiting_of("noisy") == 100
        quiet = asyncio.create_task(_pass(queue, "a", "quiet"))
        await asyncio.sleep(0)
        assert queue.waiting == 101
        quiet.add_done_callback(lambda _: waiting.append(queue.waiting_of("noisy")))
    ends = await asyncio.gather(*crowd, quiet, return_exceptions=True)
    assert waiting[0] >= 95, "the other's question passed all but a few of the crowd"
    assert sum(isinstance(end, Full) for end in ends) == 900


async def test_the_longest_line_makes_room() -> None:
    """When tenants together fill the queue, a tenant with fewer entries takes the last turn of the one with the most."""
    queue = FairSemaphore(1, 6, 4)
    async with queue.place("x", "a", LONG):
        first = [asyncio.create_task(_pass(queue, str(number), "first")) for number in range(4)]
        second = [asyncio.create_task(_pass(queue, str(number), "second")) for number in range(2)]
        await asyncio.sleep(0)
        third = [asyncio.create_task(_pass(queue, str(number), "third")) for number in range(3)]
        await asyncio.sleep(0)
        assert [queue.waiting_of(tenant) for tenant in ("first", "second", "third")] == [2, 2, 2]
    ends = [await asyncio.gather(*tasks, return_exceptions=True) for tasks in (first, second, third)]
    assert [sum(isinstance(end, Full) for end in each) for each in ends] == [2, 0, 1]


async def test_the_last_place_is_kept_for_others() -> None:
    """A tenant whose questions hang takes all places but one; another tenant gets that one at once."""
    queue, hang = FairSemaphore(4, 100, 100), asyncio.Event()

    async def hold() -> None:
        async with queue.place("noisy", "a", LONG):
            await hang.wait()

    tasks = [asyncio.create_task(hold()) for _ in range(10)]
    await asyncio.sleep(0)
    assert queue.waiting_of("noisy") == 7
    for _ in range(3):
        async with asyncio.timeout(1):
            await _pass(queue, "a", "quiet")
    hang.set()
    await asyncio.gather(*tasks)
    assert queue.waiting == 0


async def test_one_place_serves_everybody() -> None:
    """With a single place, every tenant may use it."""
    queue = FairSemaphore(1, 10, 10)
    await asyncio.gather(*(_pass(queue, str(number), tenant) for number in range(3) for tenant in "ab"))
    assert queue.waiting == 0


async def _pass(queue: FairSemaphore, key: str, tenant: str = "team") -> None:
    async with queue.place(tenant, key, LONG):
        pass
