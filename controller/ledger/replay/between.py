"""Judges a candidate between two recorded situations of a Run. Pure.

That needs a ledger with every distinct situation (`--ledger-detail all`). Then only the times and numbers of reports have changed
between two of its rows. The later row proves since when an agent was silent; every earlier silence was shorter than one in a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from controller.api.base import MAX_SECONDS
from controller.ledger.replay.decision import key_of
from controller.ledger.replay.passes import Pair, Parted
from controller.plan import Snapshot, plan
from controller.plan.snapshot import ReportFacts

MAX_CHECKS = 500
"""Times at which the candidate is asked between two rows. After the last one nothing is judged until the later row."""
SECOND = timedelta(seconds=1)


def part_between(pair: Pair, since: datetime, following: Snapshot, until: datetime) -> tuple[Parted, datetime] | None:
    """Return the first moment between two situations at which the candidate decides otherwise, and how; None without one.

    `pair` is the earlier situation, of the time `since`, and `following` the later one. A decision falls due at the time that a
    plan names as its next check, or with a report that proves a silence.
    """
    due = _first_part(pair, following, _checks(pair.candidate, since, following, until))
    silent = _silent_from(pair.candidate, since, following, due[1] if due else until)
    if silent is None:
        return due
    # Only a report proves a silence, and when each came is not recorded: by the next one, both policies may decide the same.
    proven = silent + _interval(pair.candidate)
    certain = proven < until and _first_part(pair, following, [proven])
    return (_first_part(pair, following, [silent]) if certain else None) or due


def _interval(snapshot: Snapshot) -> timedelta:
    """Return the longest time between two reports."""
    return max((report.interval_seconds for report in snapshot.reports), default=0) * SECOND


def _first_part(pair: Pair, following: Snapshot, moments: Iterable[datetime]) -> tuple[Parted, datetime] | None:
    for moment in moments:
        recorded, candidate = (_at(snapshot, following, moment) for snapshot in (pair.recorded, pair.candidate))
        ours, theirs = plan(recorded, moment), plan(candidate, moment)
        if key_of(ours) != key_of(theirs):
            return Parted(ours, theirs, candidate), moment
        if ours.actions:
            return None  # The operator would have acted and did not, so something else has changed.
    return None


def _silent_from(candidate: Snapshot, since: datetime, following: Snapshot, until: datetime) -> datetime | None:
    """Return the first moment at which a silence changes the candidate's decision: a silence only grows, so halving finds it."""

    def decides(seconds: int) -> object:
        moment = since + seconds * SECOND
        return key_of(plan(_at(candidate, following, moment), moment))

    low, high = 0, int((until - since) / SECOND)
    before = decides(low)
    if high <= low or decides(high) == before:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if decides(middle) == before else (low, middle)
    return since + high * SECOND


def _checks(candidate: Snapshot, since: datetime, following: Snapshot, until: datetime) -> Iterator[datetime]:
    """Yield the times between the two at which the candidate wants to look again."""
    moment = since
    for _ in range(MAX_CHECKS):
        check = plan(_at(candidate, following, moment), moment).verdict.next_check
        if check is None or not moment < check < until:
            return
        yield check
        moment = check


def _at(snapshot: Snapshot, following: Snapshot, moment: datetime) -> Snapshot:
    """Return the earlier situation at a later moment."""
    newest = {(report.agent, report.pod_uid): report for report in following.reports}
    for pod in following.pods:
        if pod.last_report:
            newest.setdefault((pod.agent, pod.uid), pod.last_report)
    reports = (_report(each, newest.get((each.agent, each.pod_uid)), moment) for each in snapshot.reports)
    return replace(snapshot, reports=tuple(reports))


def _report(report: ReportFacts, newest: ReportFacts | None, moment: datetime) -> ReportFacts:
    """Return the report of a moment: its agent is silent since the times in the later report, if those have passed already.

    Without a later report the reporter was silent.
    """
    if newest is None or newest.seq <= report.seq:
        return report
    progress = min(newest.progress_at, moment) if newest.progress_at and report.progress_at else report.progress_at
    return replace(
        report,
        reported_at=min(newest.reported_at, moment),
        active_at=min(newest.active_at, moment),
        progress_at=progress,
        interval_seconds=MAX_SECONDS,  # The reports in between did come: otherwise the situation would have been another.
    )
