"""Pure: the condition ProgressReported. It shows whether the agents' reporters send reports, and what is missing.

An ordered list of small checks; the first that returns a condition decides.
"""

from __future__ import annotations

from collections.abc import Callable

from controller.api.phases import Health
from controller.api.policy import ReporterMode
from controller.plan.model import Plan
from controller.plan.reasons import Reason
from controller.plan.snapshot import Snapshot
from controller.status.condition_reasons import ConditionReason

Condition = tuple[str, str, str, str]
"""A condition: type, status, reason, message."""

PROGRESS_REPORTED = "ProgressReported"

PROCESSES = "Processes"
"""The source of activity that needs a shared process namespace."""


def progress_reported(snapshot: Snapshot, plan: Plan) -> tuple[Condition, ...]:
    """Return the condition; none for a Run that has no pods."""
    findings = (check(snapshot, plan) for check in CHECKS) if snapshot.pods else ()
    return tuple(condition for condition in findings if condition)[:1]


def _no_reporter(snapshot: Snapshot, _: Plan) -> Condition | None:
    if any(pod.reporting for pod in snapshot.pods):
        return None
    off = snapshot.policy is not None and snapshot.policy.spec.reporter is ReporterMode.OFF
    return PROGRESS_REPORTED, "False", ConditionReason.REPORTER_OFF if off else ConditionReason.NO_REPORTER, ""


def _silent(_: Snapshot, plan: Plan) -> Condition | None:
    silent = next((view.name for view in plan.agents if view.health is Health.REPORTER_SILENT), None)
    text = f"agent {silent}: its reporter sends no reports"
    return (PROGRESS_REPORTED, "Unknown", Reason.REPORTER_SILENT, text) if silent else None


def _refused(snapshot: Snapshot, _: Plan) -> Condition | None:
    wrong = sorted((report.agent, report.problems[0]) for report in snapshot.reports if report.problems)
    return (PROGRESS_REPORTED, "False", ConditionReason.REPORT_REFUSED, f"agent {wrong[0][0]}: {wrong[0][1]}") if wrong else None


def _unseen(snapshot: Snapshot, _: Plan) -> Condition | None:
    blind = ", ".join(sorted(report.agent for report in snapshot.reports if PROCESSES not in report.sources))
    return (PROGRESS_REPORTED, "False", ConditionReason.PROCESSES_NOT_SEEN, f"agent {blind}") if blind else None


def _quiet(snapshot: Snapshot, _: Plan) -> Condition | None:
    quiet = ", ".join(sorted(report.agent for report in snapshot.reports if not report.progress_events))
    return (PROGRESS_REPORTED, "False", ConditionReason.SILENT_AGENT, f"agent {quiet}") if quiet else None


def _all_reporting(snapshot: Snapshot, _: Plan) -> Condition | None:
    if snapshot.reports:
        return PROGRESS_REPORTED, "True", ConditionReason.REPORTED, ""
    return PROGRESS_REPORTED, "Unknown", ConditionReason.NOTHING_REPORTED, ""


CHECKS: tuple[Callable[[Snapshot, Plan], Condition | None], ...] = (
    _no_reporter,
    _silent,
    _refused,
    _unseen,
    _quiet,
    _all_reporting,
)
