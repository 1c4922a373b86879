"""The killer: it sends SIGKILL at seeded random moments and restarts the operator, until the work or the kills are done."""

from __future__ import annotations

import random
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.cluster.processes import wait_until
from tests.support import OperatorProcess

AT_A_STEP = 0.7
"""The share of kills right after the operator has logged a step; the others come some time after it is ready."""
MOST_STEPS = 20
"""A smaller number would starve a wave of a dozen Runs on a busy machine: each new operator begins with the work that the last one
was not allowed to finish."""
STEP_DELAYS = (0.0, 0.03)
"""Seconds after a step: at once, so before its pass's next write, or somewhat later."""
READY_DELAYS = (0.05, 1.5)
PATIENCE_SECONDS = 3.0
"""How long the killer waits for a step: without work the kill comes anyway."""
LOOK_SECONDS = 0.002
START_SECONDS = 60.0
LAST_WORDS = 500
"""Characters of the log of an operator that has ended by itself."""
STEP = b'"event": "step"'
"""A line of the operator's log at the level debug: each step has one."""


@dataclass(slots=True)
class Toll:
    """The kills of one store's operator."""

    kills: int = 0
    at_a_step: int = 0
    ended_by_itself: list[str] = field(default_factory=list)


class Killer:
    """Kills one operator repeatedly."""

    def __init__(self, operator: OperatorProcess, seed: str, tell: Callable[[str], None]) -> None:
        self._operator, self._tell = operator, tell
        self._random = random.Random(seed)  # noqa: S311  # a seed makes a campaign that can be made again
        self.toll = Toll()

    def work(self, kills: int, over: threading.Event) -> None:
        """Kill until the number is reached or the work is over; the operator runs afterwards."""
        while self.toll.kills < kills and not over.is_set():
            at_a_step = self._await_moment(over)
            if over.is_set():
                break
            self._again(at_a_step=at_a_step)
        self._await_ready()

    def _again(self, *, at_a_step: bool) -> None:
        if self._operator.ended():
            self.toll.ended_by_itself.append(self._operator.log.read_text()[-LAST_WORDS:])
        else:
            self.toll.kills += 1
            self.toll.at_a_step += at_a_step
            self._tell(f"kill {self.toll.kills}{' at a step' if at_a_step else ''}")
        self._operator.stop(signal.SIGKILL)
        self._operator.start_without_waiting()

    def _await_moment(self, over: threading.Event) -> bool:
        """Wait for the next moment; return whether it is one at a step."""
        if self._random.random() >= AT_A_STEP:
            self._await_ready()
            over.wait(self._random.uniform(*READY_DELAYS))
            return False
        steps = self._random.randint(1, MOST_STEPS)
        delay = self._random.choice((0.0, self._random.uniform(*STEP_DELAYS)))
        log = self._operator.log
        self._await_ready(lambda: log.read_bytes().count(STEP) >= steps)
        seen = wait_until(lambda: over.is_set() or log.read_bytes().count(STEP) >= steps, PATIENCE_SECONDS, LOOK_SECONDS)
        over.wait(delay)
        return seen

    def _await_ready(self, sooner: Callable[[], bool] = lambda: False) -> None:
        """Wait until the operator is ready, or another condition is met sooner. The wait stops if the operator has ended."""
        wait_until(lambda: sooner() or self._operator.ended() or self._operator.ready(), START_SECONDS, LOOK_SECONDS)
