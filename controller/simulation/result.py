"""The result of one simulated Run."""

from __future__ import annotations

from dataclasses import dataclass

from controller.api.phases import Phase


@dataclass(frozen=True, slots=True)
class RunResult:
    """How one Run went until its end or the horizon.

    `phase` and `reason` are final, or those at the horizon. `finished_seconds` is the time from the Run's creation to its end, in
    any final phase; None at the horizon. `attempts` were started; `charged` and `free` of them used the restart budget and the free
    restarts, the others were ordered by people or woken by answers.

    `questions`, `approvals` and `blocks` are the escalations of each type. `waiting_seconds` is the time in which the Run waited
    for people, `blocked_seconds` the part of it in which it was Blocked. `stuck_seconds` is the time in which agents hung or
    looped.

    `false_stops` are agents that the operator ended by its own judgement and that would have ended their work before the horizon.
    Wasted are the tokens of work that no later attempt kept, of loops, and of Runs that failed.
    """

    phase: Phase
    reason: str
    finished_seconds: float | None
    attempts: int
    charged: int
    free: int
    questions: int
    approvals: int
    blocks: int
    waiting_seconds: float
    blocked_seconds: float
    stuck_seconds: float
    false_stops: int
    tokens_used: int
    tokens_wasted: int
    cost_micro_usd: int
    cost_wasted_micro_usd: int
    plans: int

    @property
    def completed(self) -> bool:
        """Whether the Run's work was done."""
        return self.phase is Phase.COMPLETED
