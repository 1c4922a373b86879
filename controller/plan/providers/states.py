"""The states of a provider: `next_status(spec, status, seen, now)` is pure, and the same facts give the same status.

Open, or Reopening at a rate, until an attempt meets a limit. Then Closed until a time, and Probing by one attempt. The attempt
shows that the provider works, or meets the limit again, and the next closing is longer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import NamedTuple

from controller.api.agent_report import LimitKind
from controller.api.base import MAX_TEXT
from controller.api.provider import ClosedBy, ProbeStatus, ProviderSpec, ProviderState, ProviderStatus
from controller.api.timestamps import later

JITTER_SECONDS = 3
"""How far the time of the same limit may differ between two reports: each report measures its age anew."""

MAX_CHANGES = 4
"""Changes of one call. Two closings, a probe and an opening may follow from one set of facts."""

MAX_DOUBLINGS = 30
"""Doublings of a closing. Every closing has then reached its maximum of a year."""


class Attempt(NamedTuple):
    """One attempt of an agent."""

    run: str
    run_uid: str
    agent: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Signal:
    """A limit that an attempt has met."""

    by: Attempt
    kind: LimitKind
    at: datetime
    resets_at: datetime | None = None
    message: str = ""


class Evidence(Enum):
    """What a probe has shown so far."""

    NOTHING = "nothing"
    WORKS = "works"
    WITHDRAWN = "withdrawn"
    ENDED = "ended"


def _nothing(_: ProbeStatus) -> Evidence:
    return Evidence.NOTHING


@dataclass(frozen=True, slots=True)
class Seen:
    """The facts about a provider now.

    `since` is its creation. `evidence` returns what a probe has shown. `turn` is the attempt that may start next, None if nothing
    waits or all places are taken. `waits` shows whether an agent waits.
    """

    since: datetime
    signals: tuple[Signal, ...] = ()
    evidence: Callable[[ProbeStatus], Evidence] = _nothing
    turn: Attempt | None = None
    waits: bool = False


def next_status(spec: ProviderSpec, status: ProviderStatus, seen: Seen, now: datetime) -> ProviderStatus:
    """Return the status that follows from the facts; the same one if nothing has changed."""
    status = status if status.state else status.model_copy(update={"state": ProviderState.OPEN})
    for _ in range(MAX_CHANGES):
        before, status = status, _step(spec, status, seen, now)
        if status == before or (status.probe and status.probe != before.probe):
            break  # Nothing is known of a new probe yet.
    return status


def _step(spec: ProviderSpec, status: ProviderStatus, seen: Seen, now: datetime) -> ProviderStatus:
    limit = min((signal for signal in seen.signals if counts(status, signal, seen.since)), key=_time_of, default=None)
    if limit:
        return closed(spec, status, limit)
    match status.state:
        case ProviderState.CLOSED:
            return _after_closing(spec, status, seen, now)
        case ProviderState.PROBING:
            return _after_probe(spec, status, seen, now)
        case ProviderState.REOPENING if not seen.waits:
            return status.model_copy(update={"state": ProviderState.OPEN, "closings": 0} | NO_REASON)
        case _:
            return status


NO_REASON = {"reason": None, "message": None, "closed_until": None}
"""The changes of a status that has nothing to explain."""


def counts(status: ProviderStatus, signal: Signal, since: datetime) -> bool:
    """Return whether a limit closes the provider now, for the first time or again: it is newer than what was decided last."""
    probe = status.probe if status.state is ProviderState.PROBING else None
    if probe and signal.by[1:] == (probe.run_uid, probe.agent, probe.attempt):
        return True
    if probe:
        return signal.at > later(probe.since, JITTER_SECONDS)
    if status.state is ProviderState.CLOSED and status.closed_until:
        return signal.at > later(status.closed_until, JITTER_SECONDS)
    return _is_new(status, signal, since)


def _is_new(status: ProviderStatus, signal: Signal, since: datetime) -> bool:
    """Whether a limit is newer than the last opening of the provider, or than the provider."""
    return signal.at > later(status.opened_at, JITTER_SECONDS) if status.opened_at else signal.at >= since


def closed(spec: ProviderSpec, status: ProviderStatus, limit: Signal) -> ProviderStatus:
    """Return the status after a limit: closed until its reset time, and for longer the more often it has closed in a row."""
    closings = status.closings + 1
    doubled = spec.probe.interval_seconds << min(closings - 1, MAX_DOUBLINGS)
    if limit.resets_at:  # A provider that is limited again after a reset that was named is not believed at once.
        least = later(limit.at, doubled / 2 if closings > 1 else 0)
        until = max(limit.resets_at, least)
    else:
        until = later(limit.at, doubled)
    return status.model_copy(
        update={
            "state": ProviderState.CLOSED,
            "reason": limit.kind.value,
            "message": limit.message[:MAX_TEXT] or None,
            "closed_at": limit.at,
            "closed_until": whole(min(until, later(limit.at, spec.probe.max_interval_seconds))),
            "closings": closings,
            "closed_by": ClosedBy(run=limit.by.run, agent=limit.by.agent, attempt=limit.by.attempt),
            "probe": None,
        }
    )


def _after_closing(spec: ProviderSpec, status: ProviderStatus, seen: Seen, now: datetime) -> ProviderStatus:
    """Return the status of a closed provider: closed for longer by a later reset time, or probing once its time is over."""
    until = status.closed_until or now
    latest = max((moment for s in seen.signals if (moment := _prolongs(spec, status, s, seen.since))), default=until)
    if latest > until:
        return status.model_copy(update={"closed_until": latest})
    if now < until or seen.turn is None:
        return status
    run, run_uid, agent, attempt = seen.turn
    probe = ProbeStatus(run=run, run_uid=run_uid, agent=agent, attempt=attempt, since=now.replace(microsecond=0))
    return status.model_copy(update={"state": ProviderState.PROBING, "probe": probe})


def _prolongs(spec: ProviderSpec, status: ProviderStatus, signal: Signal, since: datetime) -> datetime | None:
    """Return until when a limit of an agent that was at work keeps the provider closed: never beyond the longest closing."""
    if signal.resets_at is None or status.closed_at is None or not _is_new(status, signal, since):
        return None
    bound = later(min(signal.at, status.closed_at), spec.probe.max_interval_seconds)
    return whole(min(signal.resets_at, bound))


def _after_probe(spec: ProviderSpec, status: ProviderStatus, seen: Seen, now: datetime) -> ProviderStatus:
    """Return the status of a provider that is probed: open at a rate, or closed until the next probe."""
    probe = status.probe
    evidence = seen.evidence(probe) if probe else Evidence.WITHDRAWN
    match evidence:
        case Evidence.WORKS:
            opened = {
                "state": ProviderState.REOPENING,
                "opened_at": now.replace(microsecond=0),
                "probe": None,
                "closed_until": None,
            }
            return status.model_copy(update=opened)
        case Evidence.WITHDRAWN | Evidence.ENDED:
            retry_at = later(probe.since, spec.probe.interval_seconds) if probe and evidence is Evidence.ENDED else now
            return status.model_copy(update={"state": ProviderState.CLOSED, "probe": None, "closed_until": whole(retry_at)})
        case _:
            return status


def whole(moment: datetime) -> datetime:
    """Return the next whole second, in which times are saved."""
    return later(moment.replace(microsecond=0), 1) if moment.microsecond else moment


def _time_of(signal: Signal) -> tuple[datetime, Attempt]:
    return signal.at, signal.by


def still_matter(signals: Iterable[Signal], status: ProviderStatus, since: datetime) -> tuple[Signal, ...]:
    """Return the limits that may still change the status: those after the last opening."""
    return tuple(signal for signal in signals if _is_new(status, signal, since) or _is_probe(signal, status))


def _is_probe(signal: Signal, status: ProviderStatus) -> bool:
    probe = status.probe
    return probe is not None and signal.by[1:] == (probe.run_uid, probe.agent, probe.attempt)
