"""Forks a child for each order: common modules are loaded once, and a child's changes to its process end with it.

Orders arrive on stdin, a socket that preserves message boundaries. Each is a line of JSON with the child's end of a connection to
the operator. The child reads its order and writes its answer on that connection, so no order enters the memory that later children
inherit. Each child's end is reported by a line of JSON on the same socket.
"""

from __future__ import annotations

import ctypes
import errno
import gc
import json
import math
import os
import selectors
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

MESSAGE_BYTES = 4096
PR_SET_PDEATHSIG = 1
"""prctl(2): the signal that a process gets when its parent ends."""
UNREADABLE = (ArithmeticError, LookupError, TypeError, ValueError)
"""Exceptions that a malformed message may raise."""

Work = Callable[[bytes], bytes]
"""Executes an order and returns the answer."""

_prctl = ctypes.CDLL(None).prctl


def serve(work: Work) -> None:
    """Execute incoming orders until stdin is closed and the last child has ended."""
    _close_inherited()
    gc.collect()
    gc.freeze()  # The children share this memory until a garbage collector writes to it.
    Forks(work).run()


class Forks:
    """The children of this process, by the number of their order."""

    def __init__(self, work: Work) -> None:
        self._work, self._orders = work, socket.socket(fileno=sys.stdin.fileno())
        self._children: dict[int, int] = {}
        """PIDs of children that were not reaped yet. No other process can have one of these PIDs."""
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._orders, selectors.EVENT_READ)

    def run(self) -> None:
        """Receive orders and reap children until stdin is closed and no child is left."""
        while self._selector.get_map():
            for key, _ in self._selector.select():
                if key.fileobj is self._orders:
                    self._receive()
                else:
                    self._reap(key.fd, key.data)

    def _receive(self) -> None:
        try:
            message, fds, _, _ = socket.recv_fds(self._orders, MESSAGE_BYTES, 1, socket.MSG_CMSG_CLOEXEC)
        except ConnectionError:
            message, fds = b"", []
        if not message:
            self._selector.unregister(self._orders)
            return
        try:
            with suppress(*UNREADABLE):
                self._dispatch(json.loads(message), fds)
        finally:
            for fd in fds:
                os.close(fd)

    def _dispatch(self, message: dict[str, float], fds: list[int]) -> None:
        """Start a child if the message has a connection, else kill the child that it names."""
        number = int(message["id"])
        if fds:
            self._start(number, math.ceil(message["seconds"]), fds[0])
        elif number in self._children:
            os.kill(self._children[number], signal.SIGKILL)

    def _start(self, number: int, seconds: int, connection: int) -> None:
        over, alive = os.pipe()
        self._selector.register(over, selectors.EVENT_READ, number)
        parent = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:
            self._forget(over)
            self._report({"id": number, "errno": error.errno or errno.EAGAIN})
        else:
            if pid == 0:
                self._run_child(parent, seconds, connection)
            self._children[number] = pid
        # The child has the other copy of this end, so the pipe closes when the child ends for any reason.
        os.close(alive)

    def _run_child(self, parent: int, seconds: int, connection: int) -> NoReturn:
        """Run as the child: answer the order and exit, within `seconds`."""
        code = 1
        try:
            signal.alarm(seconds)
            _end_with(parent)
            self._close_parent_files()
            with socket.socket(fileno=connection) as line, line.makefile("rb") as stream:
                line.sendall(self._work(stream.read()))
            code = 0
        finally:
            os._exit(code)

    def _close_parent_files(self) -> None:
        """Close the parent's files: the socket of orders and the pipes of all children."""
        for key in self._selector.get_map().values():
            os.close(key.fd)
        self._selector.close()
        nothing = os.open(os.devnull, os.O_RDONLY)
        if nothing != sys.stdin.fileno():
            os.dup2(nothing, sys.stdin.fileno())
            os.close(nothing)

    def _reap(self, over: int, number: int) -> None:
        self._forget(over)
        _, status = os.waitpid(self._children.pop(number), 0)
        self._report({"id": number, "code": os.waitstatus_to_exitcode(status)})

    def _forget(self, over: int) -> None:
        self._selector.unregister(over)
        os.close(over)

    def _report(self, line: dict[str, int]) -> None:
        """Report to the operator, which may be gone."""
        with suppress(ConnectionError):
            self._orders.send(json.dumps(line).encode())


def _close_inherited() -> None:
    """Close all but the standard files. uvloop leaves copies of them open, through which a child could read others' orders."""
    for fd in map(int, os.listdir("/proc/self/fd")):
        if fd > sys.stderr.fileno():
            with suppress(OSError):  # The descriptor of the listing itself is closed already.
                os.close(fd)


def _end_with(parent: int) -> None:
    """Make the kernel kill this process when its parent ends. If the parent has ended already, exit now."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
