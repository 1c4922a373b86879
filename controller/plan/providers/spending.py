"""Pure: counts what agents have used, each token once, from observations that may repeat, be late, or never come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from controller.api.base import MAX_EXACT


class Spent(NamedTuple):
    """Tokens, and the cost in millionths of a US dollar."""

    tokens: int = 0
    cost: int = 0

    def plus(self, other: Spent) -> Spent:
        """Return the sum, limited to what a field can hold."""
        return Spent(min(MAX_EXACT, self.tokens + other.tokens), min(MAX_EXACT, self.cost + other.cost))

    def beyond(self, other: Spent) -> Spent:
        """Return by how much this exceeds another, never less than nothing."""
        return Spent(max(0, self.tokens - other.tokens), max(0, self.cost - other.cost))

    def at_least(self, other: Spent) -> Spent:
        """Return the larger number of each."""
        return Spent(max(self.tokens, other.tokens), max(self.cost, other.cost))


NOTHING = Spent()


@dataclass(frozen=True, slots=True)
class AgentUse:
    """What one agent has used: `before` in the attempts before `attempt`, `current` in that attempt so far.

    An attempt whose end is recorded is `before` the next one, which need not have started.
    """

    attempt: int = 0
    before: Spent = NOTHING
    current: Spent = NOTHING

    @property
    def total(self) -> Spent:
        """Everything that the agent has used."""
        return self.before.plus(self.current)

    def seeing(self, other: AgentUse) -> AgentUse:
        """Return this with another observation, the newest or an older one. No number becomes smaller.

        An agent may report less than it did, and its last report may be lost with its node: what was counted stays counted.
        """
        if other.attempt > self.attempt:
            return AgentUse(other.attempt, self.total.at_least(other.before), other.current)
        current = other.current if other.attempt == self.attempt else NOTHING
        return AgentUse(self.attempt, self.before.at_least(other.before), self.current.at_least(current))
