"""P6: every disruptive action under an advisor is one that the rules alone would take for that agent in the same situation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime

from controller.api.llm_policy import LLMMode
from controller.plan import Action, Snapshot, plan
from controller.plan.actions import Consult, DeletePod, PauseRun, ReserveAttempt, StopRun, Terminate, Transition
from controller.plan.context import PlanContext
from controller.plan.rules.agent_rules import judge
from controller.plan.snapshot import ConsultationFacts
from controller.plan.transitions import apply

Disruptive = ReserveAttempt | StopRun | Terminate | DeletePod | PauseRun
"""The steps that end running work, or decide to."""

Deed = tuple[object, ...]


def widened(snapshot: Snapshot, now: datetime) -> set[Deed]:
    """Return the disruptive actions of a plan that the rules alone would not take: there must be none."""
    deeds = set(_deeds(plan(snapshot, now).actions))
    if not deeds:
        return deeds
    alone = replace(snapshot, mode=LLMMode.OFF, consultations=())
    return deeds - set(_deeds((*plan(alone, now).actions, *_moves(alone, now))))


def next_in_pass(snapshot: Snapshot, now: datetime, answer: Callable[[Consult], ConsultationFacts]) -> Snapshot | None:
    """Return the snapshot after the next step of a pass, None at its end. The advisor gives its `answer` to a consultation."""
    due = plan(snapshot, now).actions
    if change := next((action for action in due if isinstance(action, Transition)), None):
        return replace(snapshot, state=apply(snapshot, change, now))
    if asked := next((action for action in due if isinstance(action, Consult)), None):
        return replace(snapshot, consultations=(*snapshot.consultations, answer(asked)))
    return None


def _moves(alone: Snapshot, now: datetime) -> Iterator[Action]:
    """Return the actions of the rules for each agent: a plan reserves one restart at a time, and holding one back lets the next
    come first.
    """
    at = PlanContext(alone, now)
    supervised = plan(alone, now).rule == "supervised"
    return (action for agent in at.agents for action in judge(at, agent).actions) if supervised else iter(())


def _deeds(actions: tuple[Action, ...]) -> Iterator[Deed]:
    for action in actions:
        if isinstance(action, Disruptive):
            yield (
                action.step,
                action.agent,
                action.attempt,
                *(getattr(action, name, None) for name in ("pod_uid", "charge", "phase")),
            )
