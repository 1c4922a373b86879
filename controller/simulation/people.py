"""The people who answer escalations: when, and what. Both depend on the escalation alone, not on what was asked before."""

from __future__ import annotations

from dataclasses import dataclass

from controller.api.escalation import Decision, EscalationType
from controller.simulation import scenario
from controller.simulation.draws import Draws
from controller.simulation.virtual_time import Clock

Key = tuple[str | int, ...]
"""What an escalation is about: its type, and the question, or the attempt and the reason."""


@dataclass(frozen=True, slots=True)
class People:
    """People with their hours."""

    scenario: scenario.People
    draws: Draws
    clock: Clock

    def answers_at(self, key: Key, now: int) -> int | None:
        """Return when somebody answers what is asked now; None if nobody ever does."""
        if self.draws.chance(self.scenario.ignore, "ignore", *key):
            return None
        seconds = self.scenario.answer_seconds.sample(self.draws.uniform("answer", *key))
        return self.clock.reach(self.scenario.hours.end_of(self.clock.at(now), seconds))

    def decision(self, kind: EscalationType, key: Key) -> Decision:
        """Return the answer."""
        match kind:
            case EscalationType.QUESTION:
                return Decision.ANSWER
            case EscalationType.APPROVAL | EscalationType.BUDGET:
                return Decision.APPROVE if self.draws.chance(self.scenario.approve, "approve", *key) else Decision.DENY
            case EscalationType.BLOCKED:
                return Decision.RETRY if self.draws.chance(self.scenario.retry, "retry", *key) else Decision.STOP
