"""The order in which a pass carries out a plan. Pure, so that the model check uses the shipped order."""

from __future__ import annotations

from dataclasses import dataclass

from controller.plan.actions import Creation, Effect, Transition, Ungate
from controller.plan.model import Plan

MAX_STEPS = 12
"""Steps of one reconcile; the next reconcile does what is still due then."""


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


def next_step(decision: Plan, *, dirty: bool, adopting: bool = False) -> Next | None:
    """Return the next step of a pass, None if it is done.

    `dirty` means that the state has unsaved changes, `adopting` that it names a started pod that no saved state names yet. The
    latter may be saved later, but before any effect other than a start.
    """
    if not decision.actions:
        return None
    creations = tuple(action for action in decision.actions if isinstance(action, Creation))
    if creations:
        return Create(creations)
    changes = tuple(action for action in decision.actions if isinstance(action, Transition))
    if changes:
        return Change(changes)
    effects = tuple(action for action in decision.actions if isinstance(action, Effect))
    return Save() if dirty or (adopting and not _only_starts(effects)) else Act(effects)


def starts_pod(step: Next) -> bool:
    """Return whether a step removes the gate of a pod."""
    return isinstance(step, Act) and any(isinstance(action, Ungate) for action in step.actions)


def _only_starts(effects: tuple[Effect, ...]) -> bool:
    return all(isinstance(effect, Ungate) for effect in effects)


def saves_first(decision: Plan) -> bool:
    """Whether something is due, and a save or a creation precedes every effect.

    A save fails if the Run is older than the cluster's. After a creation the Run is read again before a start.
    """
    return not isinstance(next_step(decision, dirty=False), Act | None)
