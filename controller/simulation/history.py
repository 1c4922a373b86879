"""What a ledger's rows say about Runs: their attempts, their escalations and their ends. Facts only; `fit` judges them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from controller.api.escalation import Decision, EscalationPhase, EscalationType
from controller.api.phases import Phase
from controller.api.resolved_policy import ResolvedPolicy
from controller.api.violations import Refused
from controller.plan.actions import BlockAgent, CompleteRun, CreateEscalation, ReserveAttempt, SetEscalationPhase, StopRun
from controller.plan.reasons import Reason
from controller.plan.snapshot import EscalationFacts, PodFacts, ReportFacts, Snapshot
from controller.plan.snapshot_reader import read_snapshot

ACTED = "acted"
"""The kind of a row about a pass that acted."""


class Recorded(Protocol):
    """A row of a ledger, as `ledger.reading.Row` is."""

    @property
    def at(self) -> datetime:
        """Return the time of the decision."""

    @property
    def uid(self) -> str:
        """Return the Run's UID."""

    @property
    def snapshot(self) -> str:
        """Return the situation, as a JSON text."""

    @property
    def kind(self) -> str:
        """Return `acted` for a pass that acted, else the row is about a situation in which nothing was due."""

    @property
    def outcome(self) -> str:
        """Return what was done, as a JSON text."""


@dataclass(slots=True)
class Asked:
    """An escalation. `answered` is when its answer was first seen, `closed` when nobody could answer any more, None without one."""

    agent: str
    attempt: int
    opened: datetime | None = None
    kind: EscalationType | None = None
    answered: datetime | None = None
    closed: datetime | None = None
    decision: Decision | None = None
    expired: bool = False


@dataclass(slots=True)
class RunHistory:
    """What is known of one Run. `pods` are the newest facts of each attempt's pod, `silences` the longest
    silence of each attempt that ended with activity, in seconds.
    """

    created: datetime | None = None
    seen: datetime | None = None
    completed: bool = False
    ended: bool = False
    pods: dict[tuple[str, int], PodFacts] = field(default_factory=dict)
    asked: dict[str, Asked] = field(default_factory=dict)
    silences: dict[tuple[str, int], float] = field(default_factory=dict)
    reported: dict[tuple[str, int], ReportFacts] = field(default_factory=dict)
    stuck: set[tuple[str, int]] = field(default_factory=set)
    """Attempts that the operator took for stalled."""


@dataclass(slots=True)
class Histories:
    """The Runs of a ledger by UID, and the newest policy in force.

    The rows are counted, those of them that could not be read, and those about situations in which nothing was due. Runs that were
    created before `since` are left out: the rows may lack the attempts that came first.
    """

    since: datetime | None = None
    runs: dict[str, RunHistory] = field(default_factory=dict)
    rows: int = 0
    unreadable: int = 0
    situations: int = 0
    policy: ResolvedPolicy | None = None
    earlier: set[str] = field(default_factory=set)
    """The UIDs of the Runs that are left out."""

    def skip(self) -> None:
        """Count a row that the database cannot give."""
        self.rows += 1
        self.unreadable += 1

    def add(self, row: Recorded) -> None:
        """Add a row; one that cannot be read is counted and passed over."""
        try:
            snapshot, _ = read_snapshot(json.loads(row.snapshot))
            acted = json.loads(row.outcome).get("acted", [])
        except (Refused, ValueError, AttributeError):
            self.skip()
            return
        if self.since and snapshot.run.created_at and snapshot.run.created_at < self.since:
            self.earlier.add(row.uid)
            return
        self.rows += 1
        run = self.runs.setdefault(row.uid, RunHistory())
        self.situations += row.kind != ACTED
        run.seen, self.policy = row.at, snapshot.policy or self.policy
        _situation(run, snapshot, row.at)
        for action in acted:
            _action(run, action, row.at)


def histories(rows: Iterable[Recorded]) -> Histories:
    """Return what the rows say, read in the order of their time."""
    found = Histories()
    for row in rows:
        found.add(row)
    return found


def _situation(run: RunHistory, snapshot: Snapshot, at: datetime) -> None:
    run.created = run.created or snapshot.run.created_at
    for pod in snapshot.pods:
        if not pod.task:
            run.pods[pod.agent, pod.attempt] = pod
    for report in snapshot.reports:
        _report(run, report)
    for escalation in snapshot.escalations:
        _escalation(run, escalation, at)


def _report(run: RunHistory, report: ReportFacts) -> None:
    """Note the silence of the former report, if the agent was active since."""
    key = report.agent, report.attempt
    former = run.reported.get(key)
    if former is not None and report.active_at > former.active_at:
        silence = (former.reported_at - former.active_at).total_seconds()
        run.silences[key] = max(silence, run.silences.get(key, 0.0))
    run.reported[key] = report


def _escalation(run: RunHistory, facts: EscalationFacts, at: datetime) -> None:
    asked = run.asked.setdefault(facts.name, Asked(facts.agent, facts.attempt))
    asked.kind = facts.type
    if facts.decision is not None and asked.decision is None:
        asked.decision, asked.answered = facts.decision, at


def _action(run: RunHistory, action: dict[str, Any], at: datetime) -> None:
    """Note an action by its name in the ledger."""
    agent, attempt, reason = action.get("agent", ""), action.get("attempt", 0), action.get("reason", "")
    match action.get("step"):
        case CreateEscalation.step:
            run.asked.setdefault(action["escalation"], Asked(agent, attempt)).opened = at
        case SetEscalationPhase.step if action.get("escalationPhase") in CLOSING:
            asked = run.asked.setdefault(action["escalation"], Asked(agent, attempt))
            asked.closed, asked.expired = at, action["escalationPhase"] == EscalationPhase.EXPIRED
        case ReserveAttempt.step if reason in STALLS:
            run.stuck.add((agent, attempt - 1))
        case BlockAgent.step if reason in STALLS:
            run.stuck.add((agent, attempt))
        case CompleteRun.step:
            run.ended, run.completed = True, action.get("phase") == Phase.COMPLETED
        case StopRun.step if reason == Reason.STALE:
            run.stuck.update(list(run.pods)[-1:])


STALLS = frozenset({Reason.ACTIVITY_STALLED, Reason.PROGRESS_STALLED})
"""Why an agent that hangs or loops is ended, or why people are asked about it."""
CLOSING = frozenset({EscalationPhase.EXPIRED, EscalationPhase.SUPERSEDED, EscalationPhase.RESOLVED})
