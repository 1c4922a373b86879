"""What reporters say, as the API server keeps it: an AgentReport an agent, and a last word with each pod that has ended."""

from __future__ import annotations

from typing import NamedTuple

ACTIVE = -1
"""The idle tick of an agent that is at work."""

OURS, HERS = 0, 1
"""The Run's namespace, and that of a hostile tenant."""

COMPLETED = "Completed"
"""What an agent says that has done its work."""


class Word(NamedTuple):
    """What a pod's reporter has to say by now; `idle` is the tick since which its agent does nothing."""

    seq: int = 0
    asks: tuple[str, ...] = ()
    delivered: tuple[str, ...] = ()
    read: tuple[str, ...] = ()
    parked: bool = False
    result: str = ""
    idle: int = ACTIVE

    def then(self, **changes: object) -> Word:
        """Return the next word."""
        return self._replace(seq=self.seq + 1, **changes)  # type: ignore[arg-type]  # the callers name the fields

    @property
    def waits_for(self) -> tuple[str, ...]:
        """The questions that the agent waits to be answered."""
        return tuple(question for question in self.asks if question not in self.delivered)


class Delivery(NamedTuple):
    """An answer on its way to the agent, or the word that there will be none (`NO_ANSWER`)."""

    question: str
    answer: str


class Report(NamedTuple):
    """One AgentReport: the newest that arrived, of whatever attempt, and what the operator has put into it."""

    agent: str
    owner: int
    attempt: int
    pod: str
    word: Word
    at: int = 0
    deliveries: tuple[Delivery, ...] = ()
    space: int = OURS

    def older(self, attempt: int) -> bool:
        """Whether it is of an earlier attempt."""
        return self.attempt < attempt


def answer_to(question: str) -> str:
    """Return what humans answer to a question: no answer fits another."""
    return f"re {question}"
