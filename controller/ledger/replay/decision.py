"""A decision as replays compare and show it, and the effects of another decision in its place. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from controller.api.base import JsonObject
from controller.api.phases import Phase
from controller.api.timestamps import format_time
from controller.plan import Action, Plan, Snapshot, plan
from controller.plan.actions import Consult, CreateEscalation, ReserveAttempt, StopRun
from controller.plan.intents import Intent
from controller.plan.model import DIGEST_FIELDS

MAX_CHECKS = 120
"""Next checks at which a decision that a candidate does not make yet is looked for. A reporter's agent is checked every 90 s."""


class Kind(StrEnum):
    """The kinds of decisions that a replay counts."""

    RESTART = "restart"
    ESCALATION = "escalation"
    STOP = "stop"
    COMPLETION = "completion"


class Change(StrEnum):
    """The candidate's decision in relation to the recorded one."""

    AVOIDED = "avoided"
    ADDED = "added"
    LATER = "later"
    SOONER = "sooner"


@dataclass(frozen=True, slots=True)
class Effect:
    """One counted decision that the candidate makes otherwise.

    `at` is when the candidate makes it if nothing changes, for a later one (empty if it asks the advisor at once); when it was
    recorded, for one that the candidate makes sooner.
    """

    kind: Kind
    change: Change
    agent: str = ""
    attempt: int = 0
    at: str = ""


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision for people and programs: the actions as `step agent: reason`, a restart's charge, and when to look again."""

    rule: str
    phase: str
    reason: str
    actions: tuple[str, ...]
    next_check: str


def key_of(decision: Plan) -> tuple[object, ...]:
    """Return what makes a decision the same: phase, reason and actions. Texts and times of checks do not count.

    A dry run withholds its actions; they count as if they were carried out.
    """
    return (decision.verdict.phase, decision.verdict.reason, *map(_action_key, _planned(decision)))


def decided(decision: Plan) -> Decided:
    """Return a decision for people and programs."""
    verdict = decision.verdict
    actions = tuple(map(_words, _planned(decision)))
    check = format_time(verdict.next_check) if verdict.next_check else ""
    return Decided(decision.rule, verdict.phase.value, verdict.reason.value, actions, check)


def _words(action: Action) -> str:
    charge = f", {action.charge}" if isinstance(action, ReserveAttempt) else ""
    return f"{action.step}{f' {action.agent}' if action.agent else ''}: {action.reason}{charge}"


def effects_of(recorded: Plan, candidate: Plan, snapshot: Snapshot) -> tuple[Effect, ...]:
    """Return the effects of the candidate's plan in place of the recorded one; `snapshot` is the candidate's."""
    ours, theirs = list(_counted(recorded)), list(_counted(candidate))
    gone = [effect for effect in ours if effect not in theirs]
    ahead, at = _next_decision(candidate, snapshot) if gone else (candidate, "")
    coming = [effect for effect in gone if _wants(ahead, effect) or effect in _counted(ahead)]
    later = (replace(effect, change=Change.LATER, at=at) for effect in coming)
    avoided = (replace(effect, change=Change.AVOIDED) for effect in gone if effect not in coming)
    return (*later, *avoided, *(effect for effect in theirs if effect not in ours))


def _wants(decision: Plan, effect: Effect) -> bool:
    """Whether a plan asks the advisor about an effect first: it depends on the answer."""
    asked = (action for action in decision.actions if isinstance(action, Consult))
    return any(WANTED.get(each.consultation.wanted) is effect.kind and effect.agent in ("", each.agent) for each in asked)


WANTED = {
    Intent.AUTO_RESTART: Kind.RESTART,
    Intent.AUTO_STOP_STALE: Kind.STOP,
    Intent.ESCALATE_BLOCKED: Kind.ESCALATION,
    Intent.ESCALATE_GUIDANCE: Kind.ESCALATION,
}
"""The effects of the actions that the advisor is asked about."""


def recorded_later(effects: Iterable[Effect], acted: Iterable[Any], at: str) -> tuple[Effect, ...]:
    """Return those added effects that a later pass, whose actions `acted` describes, had too: the candidate makes them sooner."""
    found = [_described(document) for document in acted if isinstance(document, dict)]
    return tuple(replace(effect, change=Change.SOONER, at=at) for effect in effects if effect in found)


def _described(document: JsonObject) -> Effect | None:
    """Return the counted effect of an action's document, as if it was added."""
    kind = KINDS.get(str(document.get("step")))
    if kind is Kind.STOP and document.get("phase") == Phase.COMPLETED.value:
        kind = Kind.COMPLETION
    return Effect(kind, Change.ADDED, document.get("agent", ""), document.get("attempt", 0)) if kind else None


KINDS = {ReserveAttempt.step: Kind.RESTART, CreateEscalation.step: Kind.ESCALATION, StopRun.step: Kind.STOP}
"""The steps of counted actions."""


def _next_decision(candidate: Plan, snapshot: Snapshot) -> tuple[Plan, str]:
    """Return the candidate's next plan with actions if nothing but the time changes, and when; the time is empty for now."""
    decision, at = candidate, ""
    for _ in range(MAX_CHECKS):
        check = decision.verdict.next_check
        if decision.actions or check is None:
            break
        decision, at = plan(_still_reported(snapshot, check), check), format_time(check)
    return decision, at


def _still_reported(snapshot: Snapshot, now: datetime) -> Snapshot:
    """Return a snapshot at a later time: the reporters go on to report the same."""
    return replace(snapshot, reports=tuple(replace(report, reported_at=now) for report in snapshot.reports))


def _counted(decision: Plan) -> Iterator[Effect]:
    """Yield the counted actions of a plan, as if they were added."""
    for action in _planned(decision):
        match action:
            case ReserveAttempt():
                yield Effect(Kind.RESTART, Change.ADDED, action.agent, action.attempt)
            case CreateEscalation():
                yield Effect(Kind.ESCALATION, Change.ADDED, action.agent, action.attempt)
            case StopRun(phase=Phase.COMPLETED):
                yield Effect(Kind.COMPLETION, Change.ADDED)
            case StopRun():
                yield Effect(Kind.STOP, Change.ADDED)


def _planned(decision: Plan) -> tuple[Action, ...]:
    return decision.actions if decision.planned is None else decision.planned


def _action_key(action: Action) -> tuple[object, ...]:
    header = (action.intent, action.step, action.reason, action.agent, action.attempt)
    return (*header, *(getattr(action, name, default) for name, default in DIGEST_FIELDS))
