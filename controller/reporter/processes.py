"""How busy the agent's processes are, from /proc in the pod's shared process namespace. Needs nothing of the agent.

Not left out is pause, process 1: the processor time of orphans, which it inherits and waits for, is found nowhere else.
"""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path
from typing import NamedTuple

WINDOW_SECONDS = 10.0
BUSY_SHARE = 0.03
"""Of one core, over the window: a loop that sleeps uses under 1 %, a compiler held to a tenth of a core still 10 %."""

MAX_PROCESSES = 2000
"""Processes that are looked at in one sample; a fork bomb shows in the first ones as well."""

UTIME, STIME, CUTIME, CSTIME = 11, 12, 13, 14
"""Fields of /proc/PID/stat, counted from behind the command's closing parenthesis; see proc(5)."""


class Times(NamedTuple):
    """Processor time of a process in ticks: its own, and that of the children that it has waited for."""

    own: int
    waited: int


class Processes:
    """Tells from one sample to the next whether the agent worked."""

    def __init__(self, proc: Path = Path("/proc"), own_uid: int | None = None) -> None:
        self._proc, self._own_uid = str(proc), os.getuid() if own_uid is None else own_uid
        self._before: dict[str, Times] | None = None
        self._window: deque[tuple[float, int]] = deque()
        self._ticks = os.sysconf("SC_CLK_TCK")

    def active(self, now: float) -> bool:
        """Take a sample; return whether the agent used more than its share to idle over the last seconds."""
        found = self._sample()
        spent = _spent(self._before, found) if self._before is not None else 0
        self._before = found
        self._window.append((now, spent))
        while now - self._window[0][0] > WINDOW_SECONDS:
            self._window.popleft()
        ticks = sum(spent for _, spent in self._window)
        return ticks > BUSY_SHARE * WINDOW_SECONDS * self._ticks

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
        return Times(int(fields[UTIME]) + int(fields[STIME]), int(fields[CUTIME]) + int(fields[CSTIME]))


def _spent(before: dict[str, Times], now: dict[str, Times]) -> int:
    """Ticks that were used between two samples.

    What a child has used moves to its parent when that waits for it, so what the gone had used is taken off the waited-for.
    """
    none = Times(0, 0)
    own = sum(max(0, times.own - before.get(pid, none).own) for pid, times in now.items())
    waited = sum(max(0, times.waited - before.get(pid, none).waited) for pid, times in now.items())
    gone = sum(times.own + times.waited for pid, times in before.items() if pid not in now)
    return own + max(0, waited - gone)
