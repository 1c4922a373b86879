"""The warm process that forks a sender for each message, with scripted children."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import uvloop

from controller.api.notification import NotificationEvent
from controller.notify.delivery_result import Outcome, Result
from controller.notify.message import Level, Message
from controller.notify.sender_process import IDLE_SECONDS, Senders
from controller.notify.warm import Warm
from tests.unit.notify.forked import answering, children_of, doing, runs, warm_of

MESSAGE = Message(NotificationEvent.RUN_FINISHED, "team", "demo", "u1", Level.FAILURE, "a title", "a body")
PIDS = answering("f'{os.getppid()} {os.getpid()}'")
HANGS = doing("why = os.write(os.open(url, os.O_WRONLY), b'.') if url else 'quick'; url and signal.pause()")
"""A child whose URL is a FIFO writes to it and hangs."""
ATTENDS = """signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    os.write(os.open(f"{url}/{told['title']}", os.O_WRONLY), b".")
    signal.sigwait({signal.SIGUSR1})
    why = len(told["body"])"""
"""A child writes to the FIFO that its title names, in the folder of its URL, and waits for a signal."""


@dataclass
class Clock:
    """A clock that the test drives: the delay of each timer, its callback, and whether it was cancelled."""

    seconds: list[float] = field(default_factory=list)
    calls: list[Callable[[], None]] = field(default_factory=list)
    cancelled: int = 0

    def later(self, seconds: float, call: Callable[[], None]) -> Clock:
        """Record a timer."""
        self.seconds.append(seconds)
        self.calls.append(call)
        return self

    def cancel(self) -> None:
        """Record the cancellation of a timer."""
        self.cancelled += 1


class Fifo:
    """A FIFO that a child writes to when it hangs."""

    def __init__(self, folder: Path, name: str = "fifo") -> None:
        self.path = folder / name
        os.mkfifo(self.path)

    async def written(self) -> None:
        """Wait for a child."""
        await asyncio.to_thread(self._read)

    def _read(self) -> None:
        with self.path.open("rb", buffering=0) as end:
            assert end.read(1)


@pytest.fixture
def fifo(tmp_path: Path) -> Fifo:
    """Return a FIFO by which a child reports that it hangs."""
    return Fifo(tmp_path)


async def hanging(senders: Senders, fifo: Fifo) -> tuple[asyncio.Task[Outcome], int]:
    """Start a send that hangs, and return it with its child."""
    task = asyncio.create_task(senders.send(str(fifo.path), MESSAGE))
    await fifo.written()
    (child,) = children_of(warm_of(senders))
    return task, child


async def gone(pid: int) -> None:
    """Wait until a process has ended, reaped or not."""
    while runs(pid):  # noqa: ASYNC110  # nobody reports the end of another's child
        await asyncio.sleep(0)


def is_reaped(pid: int) -> bool:
    """Whether the process does not exist, even as a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def test_each_send_is_a_child_of_one_process() -> None:
    """The slow modules are loaded once; a send's changes of its process do not affect another's."""
    async with Senders((), command=PIDS) as senders:
        whys = [(await senders.send("x", MESSAGE)).why.split() for _ in range(2)]
        (parent, first), (other, second) = whys
        assert int(parent) == int(other) == warm_of(senders)
        assert first != second
        assert children_of(warm_of(senders)) == []


async def test_sends_at_once_start_one_process() -> None:
    """The second send waits for the start that the first began."""
    async with Senders((), command=PIDS) as senders:
        outcomes = await asyncio.gather(*(senders.send("x", MESSAGE) for _ in range(4)))
    assert len({outcome.why.split()[0] for outcome in outcomes}) == 1
    assert len({outcome.why.split()[1] for outcome in outcomes}) == 4


async def test_four_long_messages_at_once(tmp_path: Path) -> None:
    """Four children live at the same time, and each gets its own complete order, for any length."""
    async with Senders((), command=doing(ATTENDS)) as senders:
        messages = [replace(MESSAGE, title=str(number), body="é" * (100_000 + number)) for number in range(4)]
        fifos = [Fifo(tmp_path, message.title) for message in messages]
        sends = asyncio.gather(*(senders.send(str(tmp_path), message) for message in messages))
        for fifo in fifos:
            await fifo.written()
        children = children_of(warm_of(senders))
        assert len(children) == 4
        for child in children:
            os.kill(child, signal.SIGUSR1)
        outcomes = await sends
    assert [outcome.why for outcome in outcomes] == [str(100_000 + number) for number in range(4)]


async def test_a_hung_send_delays_no_other(fifo: Fifo) -> None:
    """A quick send is answered meanwhile; when the hung one is given up its child ends, and the warm process does not."""
    async with Senders((), command=HANGS, seconds=3600) as senders:
        task, child = await hanging(senders, fifo)
        assert (await senders.send("", MESSAGE)).why == "quick"
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert is_reaped(child)
        assert (await senders.send("", MESSAGE)).why == "quick"


async def test_a_child_that_crashes_takes_no_other_along(fifo: Fifo) -> None:
    """The child's end is reported with its exit code; the warm process continues."""
    async with Senders((), command=HANGS) as senders:
        task, child = await hanging(senders, fifo)
        parent = warm_of(senders)
        os.kill(child, signal.SIGSEGV)
        assert await task == Outcome(Result.UNKNOWN, f"the sender ended without a result (exit code {-signal.SIGSEGV})")
        assert (await senders.send("", MESSAGE)).why == "quick"
        assert warm_of(senders) == parent


async def test_the_end_of_the_warm_process_in_the_middle(fifo: Fifo) -> None:
    """A message in flight may have been delivered; its child ends, too, and the next send has a new process."""
    async with Senders((), command=HANGS) as senders:
        task, child = await hanging(senders, fifo)
        killed = warm_of(senders)
        os.kill(killed, signal.SIGKILL)
        assert (await task).result is Result.UNKNOWN
        await gone(child)
        assert (await senders.send("", MESSAGE)).why == "quick"
        assert warm_of(senders) != killed


async def test_no_child_can_be_forked() -> None:
    """The message cannot have been delivered: it is retried later."""
    script = "import errno, os; os.fork = lambda: os.open('/nonexistent/file', 0)"
    async with Senders((), command=(*PIDS[:2], f"{script}\n{PIDS[2]}")) as senders:
        outcome = await senders.send("x", MESSAGE)
    assert outcome == Outcome(Result.LATER, "no process could be started to send it: No such file or directory")


async def test_the_warm_process_ends_when_nothing_is_sent() -> None:
    """The process is kept for some time after each send, and started again for the next."""
    clock = Clock()
    async with Senders((), command=PIDS, later=clock.later) as senders:
        first = (await senders.send("x", MESSAGE)).why.split()[0]
        assert (clock.seconds, clock.cancelled) == ([IDLE_SECONDS], 0)
        await senders.send("x", MESSAGE)
        assert (clock.seconds, clock.cancelled) == ([IDLE_SECONDS] * 2, 1)
        clock.calls[-1]()
        await gone(int(first))
        assert (await senders.send("x", MESSAGE)).why.split()[0] != first


async def test_no_task_is_left_between_sends() -> None:
    """kopf, at its end, cancels all tasks that it finds and waits for them: it must find none."""
    async with Senders((), command=PIDS) as senders:
        await senders.send("x", MESSAGE)
        assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_no_idle_time_beside_a_send(fifo: Fifo) -> None:
    """While one send is running, the end of another starts no idle timer."""
    clock = Clock()
    async with Senders((), command=HANGS, later=clock.later) as senders:
        task, child = await hanging(senders, fifo)
        await senders.send("", MESSAGE)
        assert clock.seconds == []
        os.kill(child, signal.SIGKILL)
        await task
        assert clock.seconds == [IDLE_SECONDS]


async def test_the_operators_end_leaves_no_process(fifo: Fifo) -> None:
    """Neither the warm process nor a child of it outlives the senders."""
    async with Senders((), command=HANGS) as senders:
        task, child = await hanging(senders, fifo)
        parent = warm_of(senders)
    assert is_reaped(parent)
    await gone(child)
    assert (await task).result is Result.UNKNOWN


async def test_without_an_operator_a_child_ends_by_its_alarm(fifo: Fifo) -> None:
    """Without an operator the children may finish within their time, and the warm process ends after them."""
    warm = await Warm.start(HANGS)
    order = f'{{"url": "{fifo.path}"}}'.encode()
    task = asyncio.create_task(warm.run(order, 1))
    await fifo.written()
    warm._orders.shutdown(socket.SHUT_WR)
    assert await task == (b"", -signal.SIGALRM)
    await warm.ended()
    assert warm._process.returncode == 0


@pytest.mark.parametrize("message", [b"\xff", b"[]", b"7", b"{}", b'{"id": 9}', b'{"id": "x"}', b'{"id": 9, "seconds": "x"}'])
async def test_a_malformed_message_is_passed_over(message: bytes) -> None:
    """The warm process reads the next message."""
    async with Senders((), command=PIDS) as senders:
        parent = (await senders.send("x", MESSAGE)).why.split()[0]
        assert senders._warm
        senders._warm._orders.send(message)
        ours, theirs = socket.socketpair()
        with ours, theirs:
            if b"9}" not in message:
                socket.send_fds(senders._warm._orders, [message], [theirs.fileno()])
            assert (await senders.send("x", MESSAGE)).why.split()[0] == parent


async def test_a_malformed_order_ends_its_child_alone() -> None:
    """A child that cannot read its order fails; the warm process never reads an order."""
    async with Senders((), command=PIDS) as senders:
        parent = (await senders.send("x", MESSAGE)).why.split()[0]
        assert senders._warm
        assert await senders._warm.run(b"{", 60) == (b"", 1)
        assert (await senders.send("x", MESSAGE)).why.split()[0] == parent


HOLDS = """if url:
        os.write(os.open(url, os.O_WRONLY), b".")
        signal.pause()
    links = [os.readlink(f"/proc/self/fd/{fd}") for fd in range(256) if os.path.lexists(f"/proc/self/fd/{fd}")]
    why = sorted(link.split(":")[0] for link in links)"""
"""A child hangs if its URL is a FIFO, otherwise it answers with its open files."""


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_child_holds_nothing_of_the_others(run: Callable[[Coroutine[None, None, None]], None], fifo: Fifo) -> None:
    """A child has no orders and connections of others: it has its own, the pipe that shows its end, and no more.

    uvloop, the operator's loop, gives a process more files than it should have.
    """

    async def story() -> None:
        async with Senders((), command=doing(HOLDS)) as senders:
            task, _ = await hanging(senders, fifo)
            assert (await senders.send("", MESSAGE)).why == str(["/dev/null"] * 3 + ["pipe", "socket"])
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert children_of(warm_of(senders)) == []
        await gone(warm_of(senders))

    run(story())
