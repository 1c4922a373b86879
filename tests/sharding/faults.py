"""What happens to replicas that share the Runs: killed, frozen past their Leases, or told another number; each is started again."""

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
"""Between two blows, at least: time to take over and to begin something that the next can break."""
TAKEN_OVER_SECONDS = 60.0
"""For the others to have a frozen one's shards: its quick Leases run out after ten."""


class Blows:
    """Strikes a fleet, one replica after the other."""

    def __init__(self, fleet: Fleet, draw: Random) -> None:
        self._fleet, self._draw = fleet, draw
        self._number = REPLICAS
        self.struck: Counter[str] = Counter()
        self.ended: list[str] = []
        """The last words of replicas that ended though nobody had struck them: a Lease that was lost on a busy machine."""

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
        """Start again whoever ends, until it is over."""
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
        """Whether every shard is held by somebody who is not frozen."""
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
