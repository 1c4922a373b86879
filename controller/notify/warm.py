"""The operator's end of the warm process, which has apprise loaded and forks a child for each order (`forks.py`)."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import socket
from asyncio.subprocess import DEVNULL, Process
from contextlib import ExitStack, suppress
from typing import Self

from controller.adapter.niceness import stand_back

END_SECONDS = 5.0
"""Time that the warm process has to end a child before it is killed itself."""
PASSED_ENVIRONMENT = frozenset({"PATH", "LANG", "LC_ALL", "VIRTUAL_ENV", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"}) | {
    spelling for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY") for spelling in (name, name.lower())
}
"""Variables of the operator's environment that senders get. None of them holds credentials."""

REPORT_BYTES = 4096

Report = dict[str, int]
"""The end of a child: `code` is its exit code, or `errno` the reason why it was not started."""
GONE: Report = {}
"""The report of a child whose end is unknown, because the warm process has ended as well."""


class Warm:
    """A warm process. Its children end with it, and each ends at the latest with the call that started it.

    A reader callback receives its reports instead of a task, because kopf cancels all tasks when it ends.
    """

    def __init__(self, process: Process, orders: socket.socket) -> None:
        self._process, self._orders = process, orders
        self._numbers = itertools.count()
        self._ends: dict[int, asyncio.Future[Report]] = {}
        self._usable = True
        asyncio.get_running_loop().add_reader(orders, self._receive)

    @classmethod
    async def start(cls, command: tuple[str, ...]) -> Self:
        """Start a warm process. Raises OSError."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, ExitStack() as unless_started:
            unless_started.enter_context(ours)
            process = await asyncio.create_subprocess_exec(
                *command, stdin=theirs.fileno(), stdout=DEVNULL, stderr=DEVNULL, env=_environment(), start_new_session=True
            )
            unless_started.pop_all()
        stand_back(process.pid)
        ours.setblocking(False)
        return cls(process, ours)

    @property
    def pid(self) -> int:
        """The process's ID."""
        return self._process.pid

    @property
    def usable(self) -> bool:
        """Whether the process accepts orders."""
        return self._usable

    async def run(self, order: bytes, seconds: float) -> tuple[bytes, int]:
        """Execute an order in a child. Return its answer and its exit code. The child ends itself after `seconds`.

        Raises OSError if no child could be started.
        """
        number = next(self._numbers)
        ours = self._send_order(number, seconds)
        ended = self._ends[number] = asyncio.get_running_loop().create_future()
        try:
            answer = await _exchange(ours, order)
            report = await asyncio.shield(ended)
        finally:
            await self._end(number)
        if "errno" in report:
            raise OSError(report["errno"], os.strerror(report["errno"]))
        return answer, await self._process.wait() if report is GONE else report["code"]

    def kill(self) -> None:
        """Kill the process and its children."""
        self._usable = False
        with suppress(ProcessLookupError):
            self._process.kill()

    async def ended(self) -> None:
        """Wait until the process has ended."""
        await self._process.wait()
        self._close()

    def _send_order(self, number: int, seconds: float) -> socket.socket:
        """Request a child, and return the operator's end of the connection to it."""
        ours, theirs = socket.socketpair()
        with theirs, ExitStack() as unless_sent:
            unless_sent.enter_context(ours)
            socket.send_fds(self._orders, [json.dumps({"id": number, "seconds": seconds}).encode()], [theirs.fileno()])
            unless_sent.pop_all()
        ours.setblocking(False)
        return ours

    async def _end(self, number: int) -> None:
        """Make sure that a child has ended."""
        ended = self._ends[number]
        if not ended.done():
            with suppress(OSError):
                self._orders.send(json.dumps({"id": number}).encode())
            done, _ = await asyncio.wait([ended], timeout=END_SECONDS)
            if not done:
                self.kill()
        del self._ends[number]

    def _receive(self) -> None:
        """Receive the report of a child's end, or handle the end of the warm process."""
        try:
            line = self._orders.recv(REPORT_BYTES)
        except BlockingIOError:
            return
        except ConnectionError:
            line = b""
        if not line:
            self._close()
            return
        report: Report = json.loads(line)
        self._resolve(report["id"], report)

    def _resolve(self, number: int, report: Report) -> None:
        ended = self._ends.get(number)
        if ended and not ended.done():
            ended.set_result(report)

    def _close(self) -> None:
        self._usable = False
        if self._orders.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._orders)
            self._orders.close()
        for number in self._ends:
            self._resolve(number, GONE)


async def _exchange(ours: socket.socket, order: bytes) -> bytes:
    """Send an order over a connection and return the answer. It is empty if the child ended before it answered."""
    reader, writer = await asyncio.open_unix_connection(sock=ours)
    try:
        writer.write(order)
        writer.write_eof()
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.transport.abort()


def _environment() -> dict[str, str]:
    """Return the senders' environment. NETRC prevents the HTTP library from sending credentials of a home folder."""
    return {key: value for key, value in os.environ.items() if key in PASSED_ENVIRONMENT} | {"NETRC": os.devnull}
