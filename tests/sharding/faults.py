"""Faults of replicas that share the Runs: killed, frozen past their Leases, or given another shard count; each is started again."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from itertools import chain
from random import Random

from tests.api.operators import Fleet
from tests.cluster.processes import wait_until
from tests.support import OperatorProcess

REPLICAS, MOST_SHARDS = 3, 6
PAUSE_SECONDS = 4.0
"""Minimum pause between two blows: time to take over and to begin work that the next can disturb."""
TAKEN_OVER_SECONDS = 60.0
"""The time for the others to take a frozen replica's shards: its short Leases expire after ten."""


class Blows:
    """Strikes a fleet, one replica after the other."""

    def __init__(self, fleet: Fleet, draw: Random) -> None:
        self._fleet, self._draw = fleet, draw
        self._number = REPLICAS
        self.struck: Counter[str] = Counter()
        self.ended: list[str] = []
        """The last log lines of replicas that ended without a blow: a Lease that was lost on a busy machine."""

    def strike(self, over: threading.Event) -> None:
        """Strike until it is over; leave as many replicas as there were."""
        while not over.wait(PAUSE_SECONDS + self._draw.uniform(0, PAUSE_SECONDS)):
            self._start_again()
            victim = self._draw.choice(self._fleet.all)
            blow = self._draw.choice((self._kill, self._freeze, self._tell_another_number))
            blow(victim)
            self.struck[blow.__name__.strip("_")] += 1
        self._start_again()

    def keep(self, over: threading.Event) -> None:
        """Restart every replica that ends, until the work is over."""
        while not over.wait(PAUSE_SECONDS):
            self._start_again()

    def _kill(self, victim: OperatorProcess) -> None:
        self._fleet.all.remove(victim)
        victim.stop(signal.SIGKILL)

    def _freeze(self, victim: OperatorProcess) -> None:
        self._fleet.all.remove(victim)
        os.kill(victim.pid, signal.SIGSTOP)
        self._start_again()
        wait_until(self._taken_over, TAKEN_OVER_SECONDS)
        os.kill(victim.pid, signal.SIGCONT)

    def _taken_over(self) -> bool:
        """Whether every shard is held by a replica that is not frozen."""
        return sorted(chain.from_iterable(self._fleet.held())) == list(range(self._number))

    def _tell_another_number(self, victim: OperatorProcess) -> None:
        self._number = self._draw.randint(1, MOST_SHARDS)
        self._fleet.start(self._number)
        self._fleet.all.remove(victim)
        victim.stop()

    def _start_again(self) -> None:
        for operator in [operator for operator in self._fleet.all if operator.ended()]:
            self._fleet.all.remove(operator)
            self.ended.append(operator.log.read_text().splitlines()[-1])
        while len(self._fleet.all) < REPLICAS:
            self._fleet.start(self._number)
