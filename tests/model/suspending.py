"""Mutants of the deadline's clock, which stands still while providers hold back every unfinished agent of a Run."""

from __future__ import annotations

from typing import Any

from controller.plan import transitions
from controller.plan.actions import SuspendDeadline
from controller.plan.context import PlanContext
from controller.plan.providers import starts
from controller.plan.rules import running
from tests.model.mutant import Mutant

_clock = running._clock


def _wait_counts(_: PlanContext, state: Any) -> Any:
    """Let the deadline go on as if no time had passed since the last start."""
    return state.model_copy(update={"held_at": None})


def _never_continues(at: PlanContext, moves: Any) -> Any:
    """Stop the clock and never start it."""
    return [action for action in _clock(at, moves) if isinstance(action, SuspendDeadline)]


def _any_is_held(at: PlanContext, _: Any) -> Any:
    """Stop the clock as soon as one agent waits."""
    return next((held.reason for agent in at.agents if (held := starts.held(at, agent.name))), None)


SUSPENDING: tuple[Mutant, ...] = (
    Mutant(
        "wait-counts",
        "the time that a Run waits for its provider counts for the deadline",
        ("provider-deadline",),
        lambda: [(transitions, "_without_hold", _wait_counts)],
    ),
    Mutant(
        "wait-unrecorded",
        "no state says that a Run waits for its provider",
        ("provider-deadline",),
        lambda: [(running, "_clock", lambda *_: [])],
    ),
    Mutant(
        "clock-stands",
        "the deadline of a Run that has waited for its provider never goes on",
        ("provider-deadline",),
        lambda: [(running, "_clock", _never_continues)],
    ),
    Mutant(
        "clock-stands-beside-work",
        "the deadline stands still while one agent waits for its provider and another works",
        ("provider-deadline-two",),
        lambda: [(running, "_held_by", _any_is_held)],
    ),
)
