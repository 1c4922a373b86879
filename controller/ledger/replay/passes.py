"""Follows a recorded pass under two policies, step by step, until they part. Pure.

A pass plans again after each step. The ledger has its first snapshot and all of its actions, so the plans in between are made
again: changes of the state follow from `apply`, and a created escalation is known from its action. After any other step the pass
depends on what the cluster answered, which is not recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from controller.api.escalation import EscalationPhase
from controller.ledger.replay.decision import key_of
from controller.plan import Action, Plan, Snapshot, plan
from controller.plan.actions import CreateEscalation, Transition
from controller.plan.escalations.created import created
from controller.plan.steps import MAX_STEPS, Save, next_step
from controller.plan.transitions import apply


@dataclass(frozen=True, slots=True)
class Pair:
    """The same moment of a Run under the recorded policy and under the candidate."""

    recorded: Snapshot
    candidate: Snapshot


@dataclass(frozen=True, slots=True)
class Parted:
    """Two plans for the same moment that differ, and the candidate's snapshot."""

    recorded: Plan
    candidate: Plan
    snapshot: Snapshot


def follow(pair: Pair, now: datetime, first: Plan, acted: Sequence[Any]) -> Pair | Parted:
    """Return the snapshots after the pass as far as it can be followed, or the plans with which it parts.

    `first` is the recorded plan, `acted` the documents of the pass's actions.
    """
    decision, left = first, list(acted)
    for _ in range(MAX_STEPS):
        other = plan(pair.candidate, now)
        if key_of(decision) != key_of(other):
            return Parted(decision, other, pair.candidate)
        ours, theirs = _foreseeable(decision), _foreseeable(other)
        if not ours or not _were_done(ours, left):
            break
        del left[: len(ours)]
        pair = Pair(_after(pair.recorded, ours, now), _after(pair.candidate, theirs, now))
        decision = plan(pair.recorded, now)
        following = _due(decision)
        if bool(following) != bool(left) or not _were_done(following, left):
            break  # The pass ended here, for example by an error, or it saw more than can be known.
    return pair


def _due(decision: Plan) -> tuple[Action, ...]:
    """Return the actions of the next step."""
    step = next_step(decision, dirty=False)
    return () if step is None or isinstance(step, Save) else step.actions


def _foreseeable(decision: Plan) -> tuple[Action, ...]:
    """Return the actions of the next step if its result is known: changes of the state, or escalations."""
    due = _due(decision)
    return due if all(isinstance(action, Transition | CreateEscalation) for action in due) else ()


def _were_done(actions: Sequence[Action], left: Sequence[Any]) -> bool:
    """Whether the next recorded actions are these."""
    return len(actions) <= len(left) and all(map(_is, actions, left))


def _is(action: Action, document: Any) -> bool:
    if not isinstance(document, dict):
        return False
    known = (document.get("step"), document.get("reason"), document.get("agent", ""), document.get("attempt", 0))
    return known == (action.step, action.reason, action.agent, action.attempt)


def _after(snapshot: Snapshot, actions: Sequence[Any], now: datetime) -> Snapshot:
    for action in actions:
        if isinstance(action, CreateEscalation):
            found = (
                *(e for e in snapshot.escalations if e.name != action.escalation),
                created(action, snapshot.run.uid, EscalationPhase.OPEN),
            )
            snapshot = replace(snapshot, escalations=found)
        else:
            snapshot = replace(snapshot, state=apply(snapshot, action, now))
    return snapshot
