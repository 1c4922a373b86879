"""Chooses what `--ledger-detail all` records besides the passes that acted: each distinct situation of a Run. Pure.

Two situations are the same if their plans have the same digest and all facts are equal, except for the times and numbers of
reports, which change with every report of a healthy agent.

A candidate policy may have another threshold of silence. So a silence that has ended is recorded if it was longer than all silences
before in its pod (`Silences`). For any threshold, the first silence that reaches it is such a record-breaking one. Of n silences in
random order about ln(n) break a record, so a healthy Run has few rows. The row is the last situation of the silence. A silence that
the operator ends by acting is in the row of that pass.

The first situation of a Run in a process is not recorded if the operator has acted for the Run before, since each restart would
write a row for each Run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime

from controller.api.names import RunKey
from controller.plan import Plan, Snapshot
from controller.plan.attempts.stall_detection import Silences, silences
from controller.plan.context import PlanContext
from controller.plan.snapshot import ReportFacts

FACTS = tuple(each.name for each in fields(Snapshot) if each.name != "reports")
PodSilences = dict[str, Silences]
"""The silences of agents by the UIDs of their pods."""
NONE = Silences()
LASTING_SECONDS = 60
"""Shorter silences are not recorded when the operator ends in the middle of them. Thresholds are usually five minutes and more."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What a pass found, its plan, and when."""

    snapshot: Snapshot
    plan: Plan
    at: datetime

    @property
    def namespace(self) -> str:
        """The Run's namespace."""
        return self.snapshot.run.namespace

    @property
    def run(self) -> str:
        """The Run's name."""
        return self.snapshot.run.name


@dataclass(slots=True)
class _Known:
    """A Run: its last situation, the longest recorded silences of its pods, and the last situation of one that may be longer."""

    last: Situation
    longest: PodSilences
    silent: Situation | None = None
    silent_for: PodSilences = field(default_factory=dict)


class Situations:
    """The last situation of each Run, and which new ones are to be recorded."""

    def __init__(self) -> None:
        self._runs: dict[RunKey, _Known] = {}

    def __len__(self) -> int:
        return len(self._runs)

    def seen(self, situation: Situation) -> list[Situation]:
        """Return the situations to record after a pass that did not act, in their order."""
        known, now = self._known(situation), _silences(situation)
        if known is None:
            return self._begin(situation, now, recorded=situation.snapshot.state is None)
        rows = list(_ended(known, now))
        if not _is_same(known.last, situation):
            rows.append(situation)
            self._recorded(known, situation, now)
        elif any(_exceeds(now[pod], known.longest.get(pod, NONE)) for pod in now):
            known.silent, known.silent_for = situation, now
        return rows

    def acted(self, situation: Situation) -> list[Situation]:
        """Return the situations to record before the row of a pass that acted in this one."""
        known, now = self._known(situation), _silences(situation)
        if known is None:
            self._begin(situation, now, recorded=True)
            return []
        rows = list(_ended(known, now))
        self._recorded(known, situation, now)
        return rows

    def forget(self, key: RunKey) -> list[Situation]:
        """Forget a Run that is gone or reconciled elsewhere. Return the situation of a silence that lasts, to record it."""
        known = self._runs.pop(key, None)
        return [known.silent] if known and known.silent and _lasts(known) else []

    def forget_all(self) -> list[Situation]:
        """Forget every Run, at the operator's end."""
        return [row for key in list(self._runs) for row in self.forget(key)]

    def _known(self, situation: Situation) -> _Known | None:
        return self._runs.get(situation.snapshot.run.key)

    def _begin(self, situation: Situation, now: PodSilences, *, recorded: bool) -> list[Situation]:
        """Begin with a Run's first situation, and return it if it is to be recorded. Else its silences are in no row yet."""
        longest, silent = (now, None) if recorded else ({}, situation)
        self._runs[situation.snapshot.run.key] = _Known(situation, longest, silent, {} if recorded else now)
        return [situation] if recorded else []

    def _recorded(self, known: _Known, situation: Situation, now: PodSilences) -> None:
        """Go on from a situation that is recorded, whose silences are in its row. Pods that are gone are forgotten."""
        known.last, known.silent, known.silent_for = situation, None, {}
        known.longest = {pod: _longer(now[pod], known.longest.get(pod, NONE)) for pod in now}


def _ended(known: _Known, now: PodSilences) -> Iterator[Situation]:
    """Yield the last situation of a longest silence, if one of its agents was active or made progress since, or has no report."""
    if known.silent and any(_is_over(pod, known, now) for pod in known.silent_for):
        yield known.silent
        known.longest |= {pod: _longer(found, known.longest.get(pod, NONE)) for pod, found in known.silent_for.items()}
        known.silent, known.silent_for = None, {}


def _is_over(pod: str, known: _Known, now: PodSilences) -> bool:
    """Whether a silence that breaks a record is over: it is shorter now, since within one it only grows."""
    was, longest, found = known.silent_for[pod], known.longest.get(pod, NONE), now.get(pod, NONE)
    return any(before > most and after < before for before, most, after in zip(was, longest, found, strict=True))


def _exceeds(found: Silences, longest: Silences) -> bool:
    return any(each > most for each, most in zip(found, longest, strict=True))


def _lasts(known: _Known) -> bool:
    """Whether a silence may matter that is not over: at the operator's end almost each Run has a short one."""
    return any(
        _exceeds(found, known.longest.get(pod, NONE)) and max(found) >= LASTING_SECONDS for pod, found in known.silent_for.items()
    )


def _longer(one: Silences, other: Silences) -> Silences:
    return Silences(*map(max, one, other))


def _silences(situation: Situation) -> PodSilences:
    at = PlanContext(situation.snapshot, situation.at)
    return {report.pod_uid: silences(at, report) for report in situation.snapshot.reports}


def _is_same(one: Situation, other: Situation) -> bool:
    """Whether two situations differ only in the times and numbers of reports. Most facts are the same objects."""
    if one.plan.digest != other.plan.digest or not all(_equal(one.snapshot, other.snapshot, name) for name in FACTS):
        return False
    before, after = one.snapshot.reports, other.snapshot.reports
    return before is after or tuple(map(_lasting, before)) == tuple(map(_lasting, after))


def _equal(one: Snapshot, other: Snapshot, name: str) -> bool:
    before, after = getattr(one, name), getattr(other, name)
    return before is after or bool(before == after)


def _lasting(report: ReportFacts) -> ReportFacts:
    """Return a report without its times and numbers. Whether there is progress at all remains."""
    progress = NEVER if report.progress_at else None
    limit = report.limit and replace(report.limit, at=NEVER, resets_at=None)
    timeless = replace(report, reported_at=NEVER, active_at=NEVER, progress_at=progress, limit=limit)
    return replace(timeless, seq=0, progress_events=0, turns=0, usage=None)


NEVER = datetime.min.replace(tzinfo=UTC)
