"""A running command: its pipes and its exit. It needs no thread, and does not wait for other processes that hold the pipes."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import IO, Protocol

MAX_ENVELOPE_BYTES = 4 * 2**20
"""Limit of output to either pipe. An answer's envelope (codex: a line for each event) is larger than the answer."""
CHUNK_BYTES = 65_536


class Started(Protocol):
    """A process with three pipes, as the standard library provides it."""

    pid: int
    stdin: IO[bytes] | None
    stdout: IO[bytes] | None
    stderr: IO[bytes] | None

    def poll(self) -> int | None:
        """Reap the process if it has exited."""
        ...


class Child:
    """A running command. `over` is set once it has exited or has exceeded its output limit."""

    def __init__(self, process: Started, stdin: bytes) -> None:
        self.pid, self.over, self.exited = process.pid, asyncio.Event(), asyncio.Event()
        self.flooded = False
        self.stdout, self.stderr = bytearray(), bytearray()
        self._process, self._loop = process, asyncio.get_running_loop()
        self._open: dict[int, Callable[[int], bool]] = {}
        self._pidfd = os.pidfd_open(process.pid)
        self._loop.add_reader(self._pidfd, self._on_exit)
        self._sinks = [(_pipe(process.stdout), self.stdout), (_pipe(process.stderr), self.stderr)]
        for pipe, sink in self._sinks:
            self._loop.add_reader(pipe, self._on_readable, pipe, sink)
            self._open[pipe] = self._loop.remove_reader
        self._unsent, self._stdin = memoryview(stdin), _pipe(process.stdin)
        self._loop.add_writer(self._stdin, self._on_writable)
        self._open[self._stdin] = self._loop.remove_writer

    def signal_group(self, number: signal.Signals) -> None:
        """Signal the command's process group. Its number cannot have been reused, because the command is reaped last."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def drain(self) -> None:
        """Read the data that is left in the pipes, without waiting for more."""
        for pipe, sink in self._sinks:
            while pipe in self._open and not self.flooded and self._on_readable(pipe, sink):
                pass

    def close(self) -> int | None:
        """Close all pipes, and reap the command if it has exited. Returns its exit code, negative for a signal."""
        for pipe in tuple(self._open):
            self._shut(pipe)
        if self._pidfd >= 0:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1
        return self._process.poll()

    def _on_exit(self) -> None:
        self._loop.remove_reader(self._pidfd)
        self.exited.set()
        self.over.set()

    def _on_readable(self, pipe: int, sink: bytearray) -> bool:
        try:
            chunk = os.read(pipe, CHUNK_BYTES)
        except BlockingIOError:
            return False
        if not chunk:
            self._shut(pipe)
            return False
        sink += chunk
        if len(sink) > MAX_ENVELOPE_BYTES:
            self.flooded = True
            self._shut(pipe)
            self.over.set()
        return True

    def _on_writable(self) -> None:
        try:
            self._unsent = self._unsent[os.write(self._stdin, self._unsent[:CHUNK_BYTES]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            # The command does not read its input, but its output may be an answer all the same.
            self._unsent = self._unsent[:0]
        if not self._unsent:
            self._shut(self._stdin)

    def _shut(self, pipe: int) -> None:
        self._open.pop(pipe)(pipe)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None and not stream.closed and stream.fileno() == pipe:
                stream.close()


def _pipe(stream: IO[bytes] | None) -> int:
    """Return the file descriptor of a pipe, set to non-blocking."""
    if stream is None:
        raise ValueError("the command was started without its pipes")
    os.set_blocking(stream.fileno(), False)
    return stream.fileno()
