"""How busy the agent's processes are, from /proc in the pod's shared process namespace. Needs nothing of the agent.

Not left out is pause, process 1: the processor time of orphans, which it inherits and waits for, is found nowhere else.
"""

from __future__ import annotations

import os
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

WINDOW_SECONDS = 10.0
BUSY_SHARE = 0.03
"""Of one core, over the window less the time that was spent waiting for a core: a loop that sleeps uses under 1 %, a compiler held
to a tenth of a core still 10 %, and one that gets 1 % on a node without a free core waits for most of the rest."""

MAX_PROCESSES = 2000
"""Processes that are looked at in one sample; a fork bomb shows in the first ones as well."""

MAX_THREADS = 64
"""Of one process whose waiting is looked at in one sample."""

NANOSECONDS = 10**9

UTIME, STIME, CUTIME, CSTIME = 11, 12, 13, 14
"""Fields of /proc/PID/stat, counted from behind the command's closing parenthesis; see proc(5)."""

QUEUED = 1
"""Field of /proc/PID/task/TID/schedstat: nanoseconds that a thread was ready to run and had no core."""


class Times(NamedTuple):
    """A process's times in ticks: its own and its waited-for children's on a processor, and its own in the queue for one."""

    own: int
    waited: int
    queued: float = 0.0


NONE = Times(0, 0)


class Span(NamedTuple):
    """Ticks between two samples: all of them, and those on a processor and in the queue for one."""

    passed: float = 0.0
    spent: float = 0.0
    queued: float = 0.0


class Processes:
    """Tells from one sample to the next whether the agent worked."""

    def __init__(self, proc: Path = Path("/proc"), own_uid: int | None = None) -> None:
        self._proc, self._own_uid = str(proc), os.getuid() if own_uid is None else own_uid
        self._before: dict[str, Times] | None = None
        self._window: deque[tuple[float, Span]] = deque()
        self._ticks = os.sysconf("SC_CLK_TCK")

    def active(self, now: float) -> bool:
        """Take a sample; return whether the agent used more than its share to idle over the last seconds.

        Who waits for a core wants to work, and is judged by the rest of the time: on a full node the busy get little, too.
        """
        self._window.append((now, self._span(now)))
        while now - self._window[0][0] > WINDOW_SECONDS:
            self._window.popleft()
        spans = [span for _, span in self._window]
        passed = max(WINDOW_SECONDS * self._ticks, sum(span.passed for span in spans))
        rest = max(0.0, passed - sum(span.queued for span in spans))
        return sum(span.spent for span in spans) >= BUSY_SHARE * rest

    def _span(self, now: float) -> Span:
        """What was used and waited for since the last sample."""
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
        """What a process has used; None for one of ours, and for one that is gone by now."""
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
        """Nanoseconds that a process's threads have waited for a core; 0 where the kernel does not tell."""
        waits = 0
        with suppress(OSError):
            for thread in os.listdir(f"{self._proc}/{pid}/task")[:MAX_THREADS]:
                with suppress(OSError), open(f"{self._proc}/{pid}/task/{thread}/schedstat", "rb", buffering=0) as file:
                    waits += int(file.read(256).split()[QUEUED])
        return waits


def _queued(before: dict[str, Times], now: dict[str, Times]) -> float:
    """Ticks that were spent waiting for a core between two samples."""
    return sum(max(0.0, times.queued - before.get(pid, NONE).queued) for pid, times in now.items())


def _spent(before: dict[str, Times], now: dict[str, Times]) -> int:
    """Ticks that were used between two samples.

    What a child has used moves to its parent when that waits for it, so what the gone had used is taken off the waited-for.
    """
    own = sum(max(0, times.own - before.get(pid, NONE).own) for pid, times in now.items())
    waited = sum(max(0, times.waited - before.get(pid, NONE).waited) for pid, times in now.items())
    gone = sum(times.own + times.waited for pid, times in before.items() if pid not in now)
    return own + max(0, waited - gone)
