"""Which agents of a provider may start: within its places, at its rate, and in turn between Runs.

The Run that was created or served longest ago comes first, so Runs take turns, and the oldest Run begins.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from controller.api.provider import ProbeStatus, ProviderSpec, ProviderState, ProviderStatus
from controller.api.timestamps import format_time
from controller.plan.providers.states import Attempt
from controller.plan.reasons import Reason
from controller.plan.snapshot import ProviderFacts


class Claim(NamedTuple):
    """An agent that waits: its Run's last turn (or creation), the agent's place in the Run's spec, and the attempt."""

    served_at: datetime
    position: int
    attempt: Attempt

    @property
    def order(self) -> tuple[datetime, str, int]:
        """The place in the order of starts."""
        return self.served_at, self.attempt.run_uid, self.position


def in_turn(claims: Iterable[Claim]) -> list[Claim]:
    """Return waiting agents in the order in which they start: each Run's first agent before any Run's second."""
    seen: dict[str, int] = {}
    rounds: list[tuple[int, Claim]] = []
    for claim in sorted(claims, key=lambda claim: claim.order):
        seen[claim.attempt.run_uid] = seen.get(claim.attempt.run_uid, -1) + 1
        rounds.append((seen[claim.attempt.run_uid], claim))
    return [claim for _, claim in sorted(rounds, key=lambda each: (each[0], each[1].order))]


@dataclass(frozen=True, slots=True)
class Places:
    """What limits the next start: agents with a place, agents ahead in the order, and when the rate allows a start.

    `probe` is the probe that is recorded in the provider's status. Only a recorded probe may start.
    """

    taken: int = 0
    ahead: int = 0
    next_start: datetime | None = None
    probe: ProbeStatus | None = None


def free(spec: ProviderSpec, taken: int) -> int | None:
    """Return how many places are free; None without a maximum."""
    return None if spec.max_active_agents is None else max(0, spec.max_active_agents - taken)


def interval(spec: ProviderSpec) -> timedelta:
    """Return the time between two starts while the provider reopens."""
    return timedelta(minutes=1) / spec.reopen_per_minute


def admission(
    name: str, spec: ProviderSpec, status: ProviderStatus, attempt: Attempt, places: Places, now: datetime
) -> ProviderFacts:
    """Return whether an attempt that wants to start may do so now, or why it waits and until when."""
    held = _refusal(name, spec, status, attempt, places, now)
    if held is None:
        return ProviderFacts(attempt.agent, name)
    reason, until, message = held
    return ProviderFacts(attempt.agent, name, admits=False, reason=reason, until=until, message=message)


def unreadable(agent: str, name: str, why: str) -> ProviderFacts:
    """Return that an agent waits because nobody knows its provider's limits."""
    words = f"provider {name} cannot be read, so none of its agents starts: {why}"
    return ProviderFacts(agent, name, admits=False, reason=Reason.PROVIDER_UNREADABLE, message=words)


Held = tuple[Reason, datetime | None, str]
"""Why an attempt waits, until when, and that in words."""


def _refusal(name: str, spec: ProviderSpec, status: ProviderStatus, attempt: Attempt, places: Places, now: datetime) -> Held | None:
    match status.state:
        case ProviderState.CLOSED:
            until = status.closed_until or now
            return Reason.PROVIDER_CLOSED, until, f"provider {name} is closed until {format_time(until)} ({_why(status)})"
        case ProviderState.PROBING:
            return _unless_probe(name, status, attempt, places)
    spaces = free(spec, places.taken)
    if spaces is not None and places.ahead >= spaces:
        words = f"provider {name} has places for {spec.max_active_agents} active agents (maxActiveAgents), and all are taken"
        return Reason.PROVIDER_FULL, None, words
    if status.state is ProviderState.REOPENING and (places.ahead or (places.next_start and now < places.next_start)):
        turn = (places.next_start or now) + places.ahead * interval(spec)
        words = f"provider {name} is open again; {spec.reopen_per_minute} agents start each minute (reopenPerMinute)"
        return Reason.PROVIDER_REOPENING, turn, words
    return None


def _unless_probe(name: str, status: ProviderStatus, attempt: Attempt, places: Places) -> Held | None:
    probe = status.probe
    if probe and probe == places.probe and attempt[1:] == (probe.run_uid, probe.agent, probe.attempt):
        return None
    by = f" by agent {probe.agent} of Run {probe.run}" if probe else ""
    return Reason.PROVIDER_PROBING, None, f"provider {name} is probed{by} ({_why(status)})"


def _why(status: ProviderStatus) -> str:
    return ": ".join(filter(None, (status.reason, status.message)))
