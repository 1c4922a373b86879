"""Tokens and their cost, by the time for which agents work or loop."""

from __future__ import annotations

from dataclasses import dataclass

from controller.simulation.scenario import Agent
from controller.simulation.virtual_time import SECOND

HOUR = 3600 * SECOND
MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Prices:
    """The tokens that an agent uses, and what they cost."""

    agent: Agent

    def tokens(self, time: int) -> int:
        """Return the tokens of so many milliseconds."""
        return self.agent.tokens_per_hour * time // HOUR

    def cost(self, tokens: int) -> int:
        """Return the cost in millionths of a dollar."""
        return tokens * self.agent.cost_micro_usd_per_million_tokens // MILLION
