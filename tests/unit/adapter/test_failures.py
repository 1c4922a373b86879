"""`runwatchman adapter` replies in time to every failure of a command and leaks nothing: no process, descriptor or memory."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.adapter.client import SocketAdvisor
from controller.adapter.command import EXIT_CODES
from controller.adapter.contract import Ended, Reply, Request
from controller.adapter.process_tree import list_processes
from tests.support import await_that, eventually
from tests.unit.adapter.failures import EXITS, FAILURES, FAST, Failure
from tests.unit.adapter.scripts import marked, request

FAST_ROUNDS = 200
AT_ONCE = 4
"""Consultations at a time: the two cores of a small machine are busy, and no place is awaited."""

GROWTH_KB = 4096
"""Allowed change of the adapter's memory over that many consultations: enough for an allocator, too little for one leaked pipe
buffer each."""


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """Run the real program, and return its process and socket."""
    path = tmp_path_factory.mktemp("adapter") / "a.sock"
    ports = ("--metrics-port=-1", "--health-port=-1", "--concurrency=16")
    with subprocess.Popen([sys.executable, "-m", "tests.unit.adapter.serve", f"--socket={path}", *ports]) as process:
        try:
            await_that(lambda: path.exists() or process.poll() is not None, "the adapter listens")
            yield process.pid, path
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait() == 0
    assert not path.exists()


@pytest.fixture
def unburdened(adapter: tuple[int, Path]) -> Iterator[None]:
    """Prove that the test leaves the adapter with the same descriptors and no child process."""
    pid, path = adapter
    asyncio.run(ask(path, request(FAST.name)))
    before = await_that(lambda: descriptors(pid), "descriptors")
    yield
    await_that(lambda: not children(pid), "the adapter has no child, dead or alive")
    await_that(lambda: not marked(), "no process of a command runs")
    await_that(lambda: descriptors(pid) <= before, "the adapter has the descriptors that it had")


async def ask(path: Path, asked: Request) -> Reply:
    """Send one request; the advisor's time limit is part of its contract."""
    async with asyncio.timeout(asked.timeout_seconds + 2):
        return await SocketAdvisor(path).consult(asked)


async def ask_all(path: Path, requests: list[Request]) -> list[Reply]:
    """Send requests, a few at once, and return the replies in the same order."""
    free = asyncio.Semaphore(AT_ONCE)

    async def one(asked: Request) -> Reply:
        async with free:
            return await ask(path, asked)

    return await asyncio.gather(*map(one, requests))


def children(pid: int) -> list[int]:
    """Return every child of a process, including zombies."""
    return [one.pid for one in list_processes() if one.parent == pid]


def descriptors(pid: int) -> int:
    """Return how many descriptors a process has."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def resident_kb(pid: int) -> int:
    """Return the resident memory of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


@pytest.mark.usefixtures("unburdened")
@pytest.mark.parametrize("failure", FAILURES, ids=[one.command.name for one in FAILURES])
def test_failure_ends_in_time_and_leaves_nothing(adapter: tuple[int, Path], failure: Failure) -> None:
    """Each script ends with its kind of failure, at most two seconds after its time limit."""
    asked = request(failure.command.name, timeout_seconds=failure.timeout, prompt="x" * failure.prompt_bytes)
    reply = asyncio.run(ask(adapter[1], asked))
    assert (reply.ended, reply.output) == (failure.ended, failure.output), reply.detail


@pytest.mark.usefixtures("unburdened")
def test_failures_at_once_do_not_mix(adapter: tuple[int, Path]) -> None:
    """All scripts at once end as they do alone: no cleanup kills another consultation's processes."""

    async def all_of_them() -> list[Reply]:
        return await asyncio.gather(
            *(
                ask(
                    adapter[1],
                    request(name, tenant=name, timeout_seconds=max(one.timeout, 5), prompt="x" * one.prompt_bytes),
                )
                for name, one in ((one.command.name, one) for one in FAILURES)
            )
        )

    replies = asyncio.run(all_of_them())
    told = {one.command.name: (reply.ended, reply.output) for one, reply in zip(FAILURES, replies, strict=True)}
    # There are fewer places than scripts: a script that hangs may spend its time in the queue.
    busy = {name: Ended.TIMED_OUT if ended is Ended.BUSY else ended for name, (ended, _) in told.items()}
    assert busy == {one.command.name: one.ended for one in FAILURES}


@pytest.mark.usefixtures("unburdened")
def test_every_exit_code_has_its_meaning(adapter: tuple[int, Path]) -> None:
    """Each of the contract's six exit codes has its meaning; all others are failures."""
    replies = asyncio.run(ask_all(adapter[1], [request(one.name) for one in EXITS.values()]))
    ends = {code: reply.ended for code, reply in zip(EXITS, replies, strict=True)}
    assert ends == {code: EXIT_CODES.get(code, Ended.FAILED) for code in range(256)}
    assert len(set(ends.values())) == len(EXIT_CODES) + 1


@pytest.mark.usefixtures("unburdened")
def test_memory_does_not_grow(adapter: tuple[int, Path]) -> None:
    """After a warm-up of consultations, the same number again does not increase memory."""

    def rounds() -> None:
        replies = asyncio.run(ask_all(adapter[1], [request(FAST.name)] * FAST_ROUNDS))
        assert {reply.ended for reply in replies} == {Ended.ANSWERED}

    rounds()
    before = resident_kb(adapter[0])
    rounds()
    assert resident_kb(adapter[0]) - before < GROWTH_KB


@pytest.mark.usefixtures("unburdened")
async def test_client_that_hangs_up_leaves_nothing(adapter: tuple[int, Path]) -> None:
    """The processes of a question end when its client disconnects."""
    asked = asyncio.create_task(ask(adapter[1], request("forks-on-and-on")))
    await eventually(marked, "the command runs")
    asked.cancel()
    await eventually(lambda: not children(adapter[0]), "the adapter has no child")
