"""Measures the processor time of the agent's processes, from /proc in the pod's shared process namespace, without the agent's
help.

Process 1, pause, is included: it inherits and reaps orphans, and their processor time is recorded nowhere else.
"""

from __future__ import annotations

import os
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

WINDOW_SECONDS = 10.0
BUSY_SHARE = 0.03
"""Share of one core, over the window without the time spent waiting for a core. A sleeping loop uses under 1 %; a compiler
limited to a tenth of a core still uses 10 %. A process that gets 1 % on a node without a free core waits for most of the
rest.
"""

MAX_PROCESSES = 2000
"""Maximum processes per sample; a fork bomb shows in the first ones as well."""

MAX_THREADS = 64
"""Maximum threads per process whose waiting time is read in one sample."""

NANOSECONDS = 10**9

UTIME, STIME, CUTIME, CSTIME = 11, 12, 13, 14
"""Fields of /proc/PID/stat, counted from behind the command's closing parenthesis; see proc(5)."""

QUEUED = 1
"""Field of /proc/PID/task/TID/schedstat: nanoseconds that a thread was ready to run and had no core."""


class Times(NamedTuple):
    """A process's times in ticks: its own and its reaped children's processor time, and its own time in the run queue."""

    own: int
    waited: int
    queued: float = 0.0


NONE = Times(0, 0)


class Span(NamedTuple):
    """Ticks between two samples: all of them, those on a processor, and those in the run queue."""

    passed: float = 0.0
    spent: float = 0.0
    queued: float = 0.0


class Processes:
    """Detects from one sample to the next whether the agent worked."""

    def __init__(self, proc: Path = Path("/proc"), own_uid: int | None = None) -> None:
        self._proc, self._own_uid = str(proc), os.getuid() if own_uid is None else own_uid
        self._before: dict[str, Times] | None = None
        self._window: deque[tuple[float, Span]] = deque()
        self._ticks = os.sysconf("SC_CLK_TCK")

    def active(self, now: float) -> bool:
        """Take a sample; return whether the agent used at least its busy share over the last seconds.

        A process in the run queue wants to work, so the share is taken of the remaining time: on a full node busy processes get
        little.
        """
        self._window.append((now, self._span(now)))
        while now - self._window[0][0] > WINDOW_SECONDS:
            self._window.popleft()
        spans = [span for _, span in self._window]
        passed = max(WINDOW_SECONDS * self._ticks, sum(span.passed for span in spans))
        rest = max(0.0, passed - sum(span.queued for span in spans))
        return sum(span.spent for span in spans) >= BUSY_SHARE * rest

    def _span(self, now: float) -> Span:
        """Return the processor time and the waiting time since the last sample."""
        before, self._before = self._before, self._sample()
        if before is None:
            return Span()
        passed = (now - self._window[-1][0]) * self._ticks
        return Span(passed, _spent(before, self._before), _queued(before, self._before))

    def _sample(self) -> dict[str, Times]:
        found: dict[str, Times] = {}
        with os.scandir(self._proc) as entries:
            for entry in entries:
                if len(found) >= MAX_PROCESSES:
                    break
                if entry.name.isdecimal() and (times := self._times(entry.name)):
                    found[entry.name] = times
        return found

    def _times(self, pid: str) -> Times | None:
        """Return a process's times; None for one of our own processes, and for one that has ended."""
        try:
            if os.stat(f"{self._proc}/{pid}").st_uid == self._own_uid:
                return None
            with open(f"{self._proc}/{pid}/stat", "rb", buffering=0) as file:
                fields = file.read(1024).rpartition(b")")[2].split()
        except OSError:
            return None
        own, waited = int(fields[UTIME]) + int(fields[STIME]), int(fields[CUTIME]) + int(fields[CSTIME])
        return Times(own, waited, self._queued(pid) * self._ticks / NANOSECONDS)

    def _queued(self, pid: str) -> int:
        """Return the nanoseconds that a process's threads waited for a core; 0 if the kernel does not report it."""
        waits = 0
        with suppress(OSError):
            for thread in os.listdir(f"{self._proc}/{pid}/task")[:MAX_THREADS]:
                with suppress(OSError), open(f"{self._proc}/{pid}/task/{thread}/schedstat", "rb", buffering=0) as file:
                    waits += int(file.read(256).split()[QUEUED])
        return waits


def _queued(before: dict[str, Times], now: dict[str, Times]) -> float:
    """Return the ticks that were spent waiting for a core between two samples."""
    return sum(max(0.0, times.queued - before.get(pid, NONE).queued) for pid, times in now.items())


def _spent(before: dict[str, Times], now: dict[str, Times]) -> int:
    """Return the ticks of processor time between two samples.

    When a parent reaps a child, the child's time moves to the parent. Therefore the time of ended processes is subtracted from the
    reaped time.
    """
    own = sum(max(0, times.own - before.get(pid, NONE).own) for pid, times in now.items())
    waited = sum(max(0, times.waited - before.get(pid, NONE).waited) for pid, times in now.items())
    gone = sum(times.own + times.waited for pid, times in before.items() if pid not in now)
    return own + max(0, waited - gone)
