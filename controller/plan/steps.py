"""The order in which a pass carries out a plan. Pure, so that the model check uses the shipped order."""

from __future__ import annotations

from dataclasses import dataclass

from controller.plan.actions import Creation, Effect, Transition
from controller.plan.model import Plan


@dataclass(frozen=True, slots=True)
class Create:
    """Do these harmless creations, then plan again."""

    actions: tuple[Creation, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """Apply these changes to the operator's state, then plan again."""

    actions: tuple[Transition, ...]


@dataclass(frozen=True, slots=True)
class Save:
    """Save the changed state by compare-and-swap before any effect, then plan again."""


@dataclass(frozen=True, slots=True)
class Act:
    """Do these effects, which the saved state allows, then plan again."""

    actions: tuple[Effect, ...]


Next = Create | Change | Save | Act


def next_step(decision: Plan, *, dirty: bool) -> Next | None:
    """Return the next step of a pass, None if it is done. `dirty` means that the state has unsaved changes."""
    if not decision.actions:
        return None
    creations = tuple(action for action in decision.actions if isinstance(action, Creation))
    if creations:
        return Create(creations)
    changes = tuple(action for action in decision.actions if isinstance(action, Transition))
    if changes:
        return Change(changes)
    return Save() if dirty else Act(tuple(action for action in decision.actions if isinstance(action, Effect)))


def saves_first(decision: Plan) -> bool:
    """Whether something is due and a save precedes every effect; the save fails if the Run is older than the cluster's."""
    return not isinstance(next_step(decision, dirty=False), Act | None)
