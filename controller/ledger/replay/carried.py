"""The state that follows from the policy: cooldowns, refunds, charges and expiries. Pure.

A candidate may decide as recorded and yet leave another state behind: the same restart, with a longer cooldown. `difference`
compares the states that both leave, and `shifted` changes later snapshots of the Run by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from controller.api.operator_state import AgentState, BlockedState
from controller.api.timestamps import later
from controller.plan.snapshot import Snapshot

COUNTS = ("restarts", "free_restarts")
VALUES = ("outcome", "last_outcome", "verification")
"""Fields of an agent's state that the policy decides; they are replaced while the recorded value is the one that was compared."""
NO_TIME = timedelta()


@dataclass(frozen=True, slots=True)
class AgentDifference:
    """The candidate's state of an agent, as a difference from the recorded one.

    `cooldown` holds for the `attempt`, `expires` for the block with the escalation `blocked`. `values` are triples of a field, the
    recorded value and the candidate's.
    """

    attempt: int
    counts: tuple[int, int] = (0, 0)
    cooldown: timedelta = NO_TIME
    blocked: str = ""
    expires: timedelta = NO_TIME
    values: tuple[tuple[str, Any, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """All differences of a Run: by agent, and the expiry of its escalations by name."""

    agents: Mapping[str, AgentDifference] = field(default_factory=dict)
    expiries: Mapping[str, datetime | None] = field(default_factory=dict)


NOTHING = Difference()


def shifted(snapshot: Snapshot, difference: Difference) -> Snapshot:
    """Return a recorded snapshot with the state and the expiries that the candidate would have left."""
    if snapshot.state and difference.agents:
        agents = {name: _agent(agent, difference.agents.get(name)) for name, agent in snapshot.state.agents.items()}
        snapshot = replace(snapshot, state=snapshot.state.model_copy(update={"agents": agents}))
    if difference.expiries:
        found = (replace(e, expires_at=difference.expiries.get(e.name, e.expires_at)) for e in snapshot.escalations)
        snapshot = replace(snapshot, escalations=tuple(found))
    return snapshot


def difference(recorded: Snapshot, candidate: Snapshot) -> Difference:
    """Return how two snapshots of a Run differ in what the policy decides."""
    if recorded.state == candidate.state and recorded.escalations == candidate.escalations:
        return NOTHING
    ours = recorded.state.agents if recorded.state else {}
    theirs = candidate.state.agents if candidate.state else {}
    agents = {name: _compare(agent, theirs[name]) for name, agent in ours.items() if agent != theirs.get(name, agent)}
    known = {e.name: e.expires_at for e in recorded.escalations}
    moved = {e.name: e.expires_at for e in candidate.escalations if known.get(e.name) != e.expires_at}
    return Difference(agents, moved)


def _compare(recorded: AgentState, candidate: AgentState) -> AgentDifference:
    pairs = [(name, getattr(recorded, name), getattr(candidate, name)) for name in VALUES]
    return AgentDifference(
        attempt=recorded.attempt,
        counts=(candidate.restarts - recorded.restarts, candidate.free_restarts - recorded.free_restarts),
        cooldown=_between(recorded.cooldown_until, candidate.cooldown_until),
        blocked=recorded.blocked.escalation if recorded.blocked else "",
        expires=_between(_expiry(recorded.blocked), _expiry(candidate.blocked)),
        values=tuple(pair for pair in pairs if pair[1] != pair[2]),
    )


def _agent(recorded: AgentState, by: AgentDifference | None) -> AgentState:
    if by is None:
        return recorded
    changes: dict[str, Any] = {name: max(0, getattr(recorded, name) + more) for name, more in zip(COUNTS, by.counts, strict=True)}
    if recorded.attempt == by.attempt and recorded.cooldown_until:
        changes["cooldown_until"] = _moved(recorded.cooldown_until, by.cooldown)
    if recorded.blocked and recorded.blocked.escalation == by.blocked:
        expires_at = _moved(recorded.blocked.expires_at, by.expires)
        changes["blocked"] = recorded.blocked.model_copy(update={"expires_at": expires_at})
    changes |= {name: theirs for name, ours, theirs in by.values if getattr(recorded, name) == ours}
    return recorded.model_copy(update=changes)


def _expiry(blocked: BlockedState | None) -> datetime | None:
    return blocked.expires_at if blocked else None


def _between(first: datetime | None, second: datetime | None) -> timedelta:
    return second - first if first and second else NO_TIME


def _moved(moment: datetime, by: timedelta) -> datetime:
    return later(moment, by.total_seconds())
