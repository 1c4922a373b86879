"""Mutants of what follows from refused writes."""

from __future__ import annotations

from typing import Any

from controller.plan import refused_writes
from controller.plan.actions import Action, UnblockAgent
from controller.plan.context import PlanContext
from controller.plan.rules import refusals
from tests.model import world_steps
from tests.model.mutant import Mutant
from tests.model.world import Refused, World


def _without_unblock(at: PlanContext, agent: str, block: Any, due: tuple[Action, ...]) -> Action | None:
    step = _next(at, agent, block, due)
    return None if isinstance(step, UnblockAgent) else step


_next = refusals._next


def _failing(world: World, action: Any, *more: Any) -> Any:
    if action.step in world.refusing:
        raise Refused
    return _perform(world, action, *more)


_perform = world_steps._perform

REFUSING: tuple[Mutant, ...] = (
    Mutant(
        "refusal-ends-the-pass",
        "a refused write ends the pass as an error, so nobody is asked and nothing else is done",
        ("refused",),
        lambda: [(world_steps, "_perform", _failing)],
    ),
    Mutant(
        "refused-is-tried-at-once",
        "a pass tries a refused write until it succeeds",
        ("refused",),
        lambda: [(refused_writes, "of", lambda *_: None)],
    ),
    Mutant(
        "refused-and-unasked",
        "nobody is asked about a refused write",
        ("refused",),
        lambda: [(refused_writes, "block", lambda *_: None)],
    ),
    Mutant(
        "closed-before-tried",
        "the block for a refused write ends before the write is tried again",
        ("refused", "refused-two"),
        lambda: [(refusals, "_in_order", lambda _, due: due)],
    ),
    Mutant(
        "refusal-stays",
        "the block for a refused write stays after the write has succeeded",
        ("refused",),
        lambda: [(refusals, "_next", _without_unblock)],
    ),
)
