"""What is counted while a Run is played."""

from __future__ import annotations

from dataclasses import dataclass

from controller.api.phases import Phase
from controller.simulation.virtual_time import SECOND

WAITING = frozenset({Phase.BLOCKED, Phase.AWAITING_GUIDANCE, Phase.AWAITING_APPROVAL})
"""Phases in which a Run waits for people."""


Event = tuple[float, str]
"""What happened, and how many seconds after the Run's creation."""


@dataclass(slots=True)
class Account:
    """Counts of a Run so far; times in milliseconds.

    `spending` is the time in which tokens were used, `wasting` the wasted part of it. `events` are None if nobody wants to know.
    """

    attempts: int = 0
    charged: int = 0
    free: int = 0
    questions: int = 0
    approvals: int = 0
    blocks: int = 0
    false_stops: int = 0
    spending: int = 0
    wasting: int = 0
    stuck: int = 0
    waiting: int = 0
    blocked: int = 0
    plans: int = 0
    phase: Phase = Phase.PENDING
    reason: str = ""
    since: int = 0
    events: list[Event] | None = None

    def note(self, now: int, text: str) -> None:
        """Record what happens, if anybody wants to know."""
        if self.events is not None:
            self.events.append((now / SECOND, text))

    def enter(self, phase: Phase, reason: str, now: int) -> None:
        """Record the phase that the Run has from now on."""
        span = now - self.since
        self.waiting += span if self.phase in WAITING else 0
        self.blocked += span if self.phase is Phase.BLOCKED else 0
        self.phase, self.reason, self.since = phase, reason, now
