"""Forks a child for each order: what the children have in common is loaded once, and what each one does to itself ends with it.

Orders arrive on stdin, a socket that keeps messages apart, each as a line of JSON with the child's end of a connection to the
operator. The child reads its order there and answers there, so no order passes through the memory that later children inherit.
Each child's end is reported by a line of JSON on the same socket.
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
"""How a malformed message fails."""

Work = Callable[[bytes], bytes]
"""Carries out an order and returns the answer."""

_prctl = ctypes.CDLL(None).prctl


def serve(work: Work) -> None:
    """Carry out the orders that arrive, until stdin is closed and the last child has ended."""
    _close_inherited()
    gc.collect()
    gc.freeze()  # The children share this memory for as long as no collector writes to it.
    Forks(work).run()


class Forks:
    """The children of this process, each under the number of its order."""

    def __init__(self, work: Work) -> None:
        self._work, self._orders = work, socket.socket(fileno=sys.stdin.fileno())
        self._children: dict[int, int] = {}
        """The pids of those that were not reaped yet: no other process can have one."""
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._orders, selectors.EVENT_READ)

    def run(self) -> None:
        """Take orders and reap children until there will be no more of either."""
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
                self._obey(json.loads(message), fds)
        finally:
            for fd in fds:
                os.close(fd)

    def _obey(self, message: dict[str, float], fds: list[int]) -> None:
        """Start a child where a connection came along, else end the one that is named."""
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
                self._carry_out(parent, seconds, connection)
            self._children[number] = pid
        # The child has the other copy of this end: the pipe closes when it ends, however it does.
        os.close(alive)

    def _carry_out(self, parent: int, seconds: int, connection: int) -> NoReturn:
        """Be the child: answer the order and end, within so many seconds."""
        code = 1
        try:
            signal.alarm(seconds)
            _end_with(parent)
            self._let_go()
            with socket.socket(fileno=connection) as line, line.makefile("rb") as stream:
                line.sendall(self._work(stream.read()))
            code = 0
        finally:
            os._exit(code)

    def _let_go(self) -> None:
        """Close what is the parent's: the socket of orders and the pipes of all children."""
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
        """Tell the operator, which may be gone."""
        with suppress(ConnectionError):
            self._orders.send(json.dumps(line).encode())


def _close_inherited() -> None:
    """Close all but the standard files: uvloop leaves copies of them open, and a child would hold the orders of others by one."""
    for fd in map(int, os.listdir("/proc/self/fd")):
        if fd > sys.stderr.fileno():
            with suppress(OSError):  # The list's own is closed already.
                os.close(fd)


def _end_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends, or end it now if that has happened."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
