"""What an agent does in one attempt if nobody disturbs it, by the scenario: stretches of work that end with a word or an end.

Positions are on the attempt's clock of work, which stands still while the agent hangs, loops or waits. So what happens does not
depend on when it happens, and two policies see the same attempt.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from controller.simulation.distributions import Distribution
from controller.simulation.draws import Draws, pick
from controller.simulation.scenario import Agent
from controller.simulation.virtual_time import NEVER, milliseconds


class Behaviour(Enum):
    """What an agent does over a time, as far as anybody can tell it apart."""

    WORK = "Work"
    QUIET = "Quiet"
    HANG = "Hang"
    LOOP = "Loop"
    WAIT = "Wait"

    @property
    def silent(self) -> bool:
        """Whether the reporter sees no activity."""
        return self in (Behaviour.QUIET, Behaviour.HANG, Behaviour.WAIT)

    @property
    def advances(self) -> bool:
        """Whether the work goes on."""
        return self in (Behaviour.WORK, Behaviour.QUIET)

    @property
    def calls_model(self) -> bool:
        """Whether the agent calls its model, and so meets a provider's limit."""
        return self in (Behaviour.WORK, Behaviour.LOOP)


class EndKind(Enum):
    """How a stretch ends."""

    DONE = "Done"
    CRASH = "Crash"
    QUESTION = "Question"
    BEYOND = "Beyond"
    """It lasts until after the horizon, or for ever."""


@dataclass(frozen=True, slots=True)
class End:
    """The end of a stretch: the exit of a crash, or the id of a question for which the agent may park."""

    kind: EndKind
    exit_code: int = 0
    reason: str = ""
    question: str = ""
    parks: bool = False


@dataclass(frozen=True, slots=True)
class Stretch:
    """What an agent does until its next word or its end: behaviours with their lengths in milliseconds."""

    stages: tuple[tuple[Behaviour, int], ...]
    end: End

    @property
    def length(self) -> int:
        """The length in milliseconds; at least NEVER if it never ends."""
        return sum(length for _, length in self.stages)


@dataclass(slots=True)
class Itinerary:
    """The course of one attempt. `left` is the work that it begins with; a copy goes on from the same place."""

    agent: Agent
    draws: Draws
    attempt: int
    left: int
    horizon: int
    worked: int = 0
    quiet_until: int = 0
    _next: dict[str, int] = field(default_factory=dict)
    _count: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Draw where the first of each thing happens."""
        agent = self.agent
        if self._is_doomed():
            self.left = NEVER  # no work is ever enough
        self._next = {
            "crash": self._doom() if self._is_doomed() else self._gap("crash", agent.crash.per_hour),
            "question": self._gap("question", agent.questions.per_hour),
            "hang": self._gap("hang", agent.hang.per_hour),
            "loop": self._gap("loop", agent.loop.per_hour),
            "quiet": self._gap("quiet", agent.quiet.per_hour),
        }

    def copy(self) -> Itinerary:
        """Return an itinerary that goes on from here without changing this one."""
        other = Itinerary(self.agent, self.draws, self.attempt, self.left, self.horizon, self.worked, self.quiet_until)
        other._next, other._count = dict(self._next), dict(self._count)
        return other

    def stretch(self) -> Stretch:
        """Return what the agent does next, until it says something or ends."""
        stages: list[tuple[Behaviour, int]] = []
        while sum(length for _, length in stages[-1:]) < NEVER and self._length(stages) <= self.horizon:
            place, what = self._event()
            if place > self.worked:
                stages.append((Behaviour.QUIET if self.worked < self.quiet_until else Behaviour.WORK, place - self.worked))
                self.worked = place
            if end := self._end(what):
                return Stretch(tuple(stages), end)
            stages += self._pause(what)
        return Stretch((*stages, (Behaviour.HANG, NEVER)), End(EndKind.BEYOND))

    @staticmethod
    def _length(stages: list[tuple[Behaviour, int]]) -> int:
        return sum(length for _, length in stages)

    def _event(self) -> tuple[int, str]:
        """Return where the next thing happens, and what."""
        quiet = self.quiet_until if self.worked < self.quiet_until else NEVER
        places = [(self.left, "done"), *((self._next[what], what) for what in ORDER), (quiet, "noise")]
        return min(places, key=lambda place: place[0])

    def _end(self, what: str) -> End | None:
        """Return the end of a stretch that something is, None if the agent goes on by itself."""
        match what:
            case "done":
                return End(EndKind.DONE)
            case "crash":
                return self._crash()
            case "question":
                number = self._passed("question", self.agent.questions.per_hour)
                parks = self.draws.chance(self.agent.questions.parks, "parks", self.attempt, number)
                return End(EndKind.QUESTION, question=f"q{self.attempt}-{number}", parks=parks)
            case _:
                return None

    def _pause(self, what: str) -> Iterator[tuple[Behaviour, int]]:
        """Yield the hang or the loop that begins; note a silence, during which the work goes on."""
        match what:
            case "hang":
                number = self._passed(what, self.agent.hang.per_hour)
                yield Behaviour.HANG, self._lasts(what, number, self.agent.hang.lasts_seconds)
            case "loop":
                number = self._passed(what, self.agent.loop.per_hour)
                yield Behaviour.LOOP, self._lasts(what, number, self.agent.loop.lasts_seconds)
            case "quiet":
                number = self._count.get("quiet", 0)
                self.quiet_until = self.worked + self._lasts(what, number, self.agent.quiet.lasts_seconds)
                self._passed(what, self.agent.quiet.per_hour, after=self.quiet_until)

    def _lasts(self, what: str, number: int, distribution: Distribution | None) -> int:
        if distribution is None:
            return NEVER
        return milliseconds(distribution.sample(self.draws.uniform(what, "lasts", self.attempt, number)))

    def _passed(self, what: str, per_hour: float, after: int | None = None) -> int:
        """Draw where the next thing of a kind happens; return the number of the one that just did."""
        number = self._count.get(what, 0)
        self._count[what] = number + 1
        self._next[what] = (self.worked if after is None else after) + self._gap(what, per_hour)
        return number

    def _gap(self, what: str, per_hour: float) -> int:
        return milliseconds(self.draws.gap(per_hour, what, self.attempt, self._count.get(what, 0))) if per_hour else NEVER

    def _is_doomed(self) -> bool:
        return self.draws.chance(self.agent.doomed.share, "doomed")

    def _doom(self) -> int:
        return milliseconds(self.agent.doomed.after_seconds.sample(self.draws.uniform("doom", self.attempt)))

    def _crash(self) -> End:
        if self._is_doomed():
            return End(EndKind.CRASH, self.agent.doomed.exit_code, "Error")
        ends = [(end.weight, end) for end in self.agent.crash.ends]
        end, _ = pick(ends, self.draws.uniform("end", self.attempt))
        return End(EndKind.CRASH, end.exit_code, end.reason)


ORDER = ("crash", "question", "hang", "loop", "quiet")
"""What comes first of things at the same place."""
