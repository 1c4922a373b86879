"""What an agent has done in an attempt, in virtual time: its activity, its progress and its work at any moment."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass

from controller.simulation.itinerary import Behaviour, Stretch
from controller.simulation.virtual_time import NEVER


@dataclass(frozen=True, slots=True)
class Stage:
    """A behaviour from a time on. `silent_since` is when its silence began; the rest are sums until the stage began."""

    behaviour: Behaviour
    begins: int
    silent_since: int
    worked: int
    looped: int
    shown: int


class Record:
    """The stages of an attempt, some of them ahead. `gap` returns the n-th time between two progress events, in work that shows."""

    def __init__(self, gap: Callable[[int], int]) -> None:
        self._gap = gap
        self._begins: list[int] = []
        self._stages: list[Stage] = []
        self._progress: list[int] = []
        self._examined = 0
        self._drawn, self._due = 1, gap(0)

    def plan(self, stretch: Stretch, now: int) -> None:
        """Add the stages of a stretch that begins now."""
        for behaviour, length in stretch.stages:
            self.begin(behaviour, now)
            now += length

    def begin(self, behaviour: Behaviour, now: int) -> None:
        """Add a stage that begins at a time."""
        last = self._stages[-1] if self._stages else None
        worked, looped, shown = self._sums(last, now) if last else (0, 0, 0)
        silent = last.silent_since if last and last.behaviour.silent else now
        self._begins.append(now)
        self._stages.append(Stage(behaviour, now, silent, worked, looped, shown))

    def add_progress(self, now: int) -> None:
        """Record progress beside that of the work, such as a question."""
        self._examine(now)
        self._progress.append(now)

    def stage(self, time: int) -> Stage | None:
        """Return the stage at a time."""
        index = bisect_right(self._begins, time) - 1
        return self._stages[index] if index >= 0 else None

    def active_at(self, time: int) -> int | None:
        """Return when the agent was last active."""
        found = self.stage(time)
        return (found.silent_since if found.behaviour.silent else time) if found else None

    def progress(self, time: int) -> tuple[int, int | None]:
        """Return how often the agent has made progress, and when it did last."""
        self._examine(time)
        count = bisect_right(self._progress, time)
        return count, self._progress[count - 1] if count else None

    def worked(self, time: int) -> int:
        """Return the milliseconds of work done."""
        found = self.stage(time)
        return self._sums(found, time)[0] if found else 0

    def looped(self, time: int) -> int:
        """Return the milliseconds spent in loops."""
        found = self.stage(time)
        return self._sums(found, time)[1] if found else 0

    def stuck(self, time: int) -> int:
        """Return the milliseconds spent in hangs and loops."""
        spans = ((stage, min(time, self._ends(index)) - stage.begins) for index, stage in enumerate(self._stages))
        return sum(span for stage, span in spans if stage.behaviour in (Behaviour.HANG, Behaviour.LOOP) and span > 0)

    @staticmethod
    def _sums(stage: Stage, time: int) -> tuple[int, int, int]:
        span = time - stage.begins
        return (
            stage.worked + span * stage.behaviour.advances,
            stage.looped + span * (stage.behaviour is Behaviour.LOOP),
            stage.shown + span * (stage.behaviour is Behaviour.WORK),
        )

    def _examine(self, time: int) -> None:
        """Place the progress of work until a time."""
        while self._examined < len(self._stages) and self._begins[self._examined] <= time:
            stage, ends = self._stages[self._examined], self._ends(self._examined)
            if stage.behaviour is Behaviour.WORK:
                self._place(stage, min(ends, time))
            if ends > time:
                return
            self._examined += 1

    def _ends(self, index: int) -> int:
        return self._begins[index + 1] if index + 1 < len(self._begins) else NEVER

    def _place(self, stage: Stage, until: int) -> None:
        while (at := stage.begins + self._due - stage.shown) <= until:
            self._progress.append(at)
            self._due += max(1, self._gap(self._drawn))
            self._drawn += 1
