"""The reporters' data, as the API server stores it: one AgentReport per agent, and a last report with each pod that has ended."""

from __future__ import annotations

from typing import NamedTuple

ACTIVE = -1
"""The idle tick of a working agent."""

OURS, HERS = 0, 1
"""The Run's namespace, and that of a hostile tenant."""

COMPLETED = "Completed"
"""The result of an agent that has done its work."""


class Word(NamedTuple):
    """The current report of a pod's reporter; `idle` is the tick since which its agent is idle."""

    seq: int = 0
    asks: tuple[str, ...] = ()
    delivered: tuple[str, ...] = ()
    read: tuple[str, ...] = ()
    parked: bool = False
    result: str = ""
    idle: int = ACTIVE
    limit: bool = False
    """Whether its agent has met a limit of its provider."""

    def then(self, **changes: object) -> Word:
        """Return the next word."""
        return self._replace(seq=self.seq + 1, **changes)  # type: ignore[arg-type]  # the callers name the fields

    @property
    def waits_for(self) -> tuple[str, ...]:
        """Return the questions whose answers the agent waits for."""
        return tuple(question for question in self.asks if question not in self.delivered)


class Delivery(NamedTuple):
    """An answer on its way to the agent, or the notice that there will be none (`NO_ANSWER`)."""

    question: str
    answer: str


class Report(NamedTuple):
    """One AgentReport: the newest that arrived, of any attempt, and the operator's deliveries in it."""

    agent: str
    owner: int
    attempt: int
    pod: str
    word: Word
    at: int = 0
    deliveries: tuple[Delivery, ...] = ()
    space: int = OURS

    def older(self, attempt: int) -> bool:
        """Whether it belongs to an earlier attempt."""
        return self.attempt < attempt


def answer_to(question: str) -> str:
    """Return the human answer to a question: no answer fits another question."""
    return f"re {question}"
