"""The blows against a leader: SIGKILL, a freeze past its Lease, a cut off from the API server; each ends before the next."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Protocol

from tests.cluster.processes import wait_until
from tests.failover.release import Leader

AT_A_WRITE = 0.7
"""The share of blows right after a write for a Run; the others come at any time."""
MOST_WRITES = 20
DELAYS = (0.0, 5.0)
"""Seconds before a blow of the others, and seconds that a former leader stays away after another leads."""
TAKEOVER_SECONDS = 120.0
FAREWELL_SECONDS = 120.0
"""The time that a former leader has to end once it can know that it lost the Lease."""
LOOK_SECONDS = 0.05


class Struck(Protocol):
    """The methods of a release that a blow needs; `release.Release` has them."""

    def holder(self) -> str:
        """Return the holder of the Lease."""

    def leader(self) -> Leader:
        """Return the leader."""

    def lives(self, leader: Leader) -> bool:
        """Whether its process exists."""

    def signal(self, leader: Leader, name: str) -> None:
        """Send it a signal."""

    def cut(self, leader: Leader) -> None:
        """Cut it off from the API server."""

    def mend(self, leader: Leader) -> None:
        """Undo the cut."""

    def replace(self, leader: Leader) -> None:
        """Replace its pod, and wait until all are ready."""


@dataclass(frozen=True, slots=True)
class Blow:
    """A way to strike a leader, and the way to undo it once another leads."""

    name: str
    strike: Callable[[Struck, Leader], None]
    undo: Callable[[Struck, Leader], None]


KILL = Blow("SIGKILL", lambda at, leader: at.signal(leader, "KILL"), lambda at, leader: None)
FREEZE = Blow("SIGSTOP, later SIGCONT", lambda at, leader: at.signal(leader, "STOP"), lambda at, leader: at.signal(leader, "CONT"))
CUT = Blow("partition, later healed", lambda at, leader: at.cut(leader), lambda at, leader: at.mend(leader))
BLOWS = (KILL, FREEZE, CUT)


@dataclass(slots=True)
class Toll:
    """The effects of the blows of one kind: seconds until another led, and former leaders that did not end."""

    takeovers: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def add(self, other: Toll) -> None:
        """Add the effects in another wave."""
        self.takeovers += other.takeovers
        self.faults += other.faults


class Striker:
    """Strikes the current leader repeatedly. `writes` counts the writes of the wave's Runs so far."""

    def __init__(self, release: Struck, blow: Blow, seed: str, writes: Callable[[], int], tell: Callable[[str], None]) -> None:
        self._release, self._blow, self._writes, self._tell = release, blow, writes, tell
        self._random = random.Random(seed)  # noqa: S311  # a seed makes a campaign that can be made again
        self.toll = Toll()

    def work(self, blows: int, over: threading.Event) -> None:
        """Strike until the number is reached or the work is over."""
        while len(self.toll.takeovers) < blows and not self.toll.faults:
            leader = self._release.leader()
            self._await_moment(over)
            if over.is_set():
                return
            self._once(leader, over)

    def _once(self, leader: Leader, over: threading.Event) -> None:
        """Strike, wait until another leads, undo it, and wait for the end of the former leader: it must not continue to lead."""
        self._blow.strike(self._release, leader)
        struck = monotonic()
        led = wait_until(lambda: self._release.holder() not in ("", leader.identity), TAKEOVER_SECONDS, LOOK_SECONDS)
        took = monotonic() - struck
        if led:
            over.wait(self._random.uniform(*DELAYS))
        self._blow.undo(self._release, leader)
        if not led:
            self.toll.faults.append(f"{self._blow.name}: nobody took over from {leader.identity}")
            return
        self.toll.takeovers.append(took)
        self._tell(f"{self._blow.name} {len(self.toll.takeovers)}: {leader.pod}, another led after {took:.1f} s")
        if not wait_until(lambda: not self._release.lives(leader), FAREWELL_SECONDS, 0.5):
            self.toll.faults.append(f"{self._blow.name}: the former leader {leader.identity} has not ended")
        self._release.replace(leader)

    def _await_moment(self, over: threading.Event) -> None:
        if self._random.random() >= AT_A_WRITE:
            over.wait(self._random.uniform(*DELAYS))
            return
        enough = self._writes() + self._random.randint(1, MOST_WRITES)
        wait_until(lambda: over.is_set() or self._writes() >= enough, DELAYS[1], LOOK_SECONDS)
