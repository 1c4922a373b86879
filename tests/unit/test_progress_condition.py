"""The condition about a Run's reporters: one table, first match first."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from controller.api.phases import Health, Phase
from controller.api.policy import ReporterMode, RunPolicySpec
from controller.api.resolved_policy import ResolvedPolicy
from controller.plan.model import AgentView, Plan, Verdict
from controller.plan.reasons import Reason
from controller.plan.snapshot import PodFacts, ReportFacts, RunFacts, Snapshot
from controller.status.progress_condition import progress_reported
from controller.status.status import build_status

NOW = datetime(2026, 1, 1, tzinfo=UTC)
POD = PodFacts("demo-coder-r0", "u0", "coder", 0, "run-1", reporting=True)
REPORT = ReportFacts("coder", "run-1", 0, "u0", 1, NOW, 60, NOW, progress_events=1, sources=("Processes", "Events"))
RUN = RunFacts("ns", "demo", "run-1", 1, None)
OFF = ResolvedPolicy.of("p", RunPolicySpec(reporter=ReporterMode.OFF))


@pytest.mark.parametrize(
    ("seen", "health", "says"),
    [
        ({"pods": ()}, Health.HEALTHY, None),
        ({"pods": (replace(POD, reporting=False),)}, Health.HEALTHY, ("False", "NoReporter")),
        ({"pods": (replace(POD, reporting=False),), "policy": OFF}, Health.HEALTHY, ("False", "ReporterOff")),
        ({"reports": (REPORT,)}, Health.REPORTER_SILENT, ("Unknown", "ReporterSilent")),
        ({"reports": (replace(REPORT, problems=("a line is not JSON",)),)}, Health.HEALTHY, ("False", "ReportRefused")),
        ({"reports": (replace(REPORT, sources=("Events",)),)}, Health.HEALTHY, ("False", "ProcessesNotSeen")),
        ({"reports": (replace(REPORT, progress_events=0),)}, Health.HEALTHY, ("False", "SilentAgent")),
        ({"reports": (REPORT,)}, Health.HEALTHY, ("True", "Reported")),
        ({}, Health.STARTING, ("Unknown", "NothingReported")),
    ],
    ids=lambda value: str(value[1]) if isinstance(value, tuple) else "",
)
def test_the_condition_says_what_is_missing(seen: dict[str, Any], health: Health, says: tuple[str, str] | None) -> None:
    """The cases go from no visible agent, over missing reports, to a reporter that reports."""
    snapshot = Snapshot(**{"run": RUN, "pods": (POD,), **seen})
    plan = Plan("supervised", Verdict(Phase.RUNNING, Reason.SUPERVISING), (AgentView("coder", health, "x"),))
    found = [(status, str(reason)) for _, status, reason, _ in progress_reported(snapshot, plan)]
    assert found == ([says] if says else [])


def test_what_was_said_stays_when_the_pods_are_gone() -> None:
    """After the pods of a finished Run are deleted its status does not change, so it is not written."""
    plan = Plan("terminal", Verdict(Phase.COMPLETED, Reason.ALL_AGENTS_COMPLETE), (AgentView("coder", Health.COMPLETE, "x"),))
    with_pods = build_status(Snapshot(run=RUN, pods=(POD,), reports=(REPORT,)), plan, (), {}, NOW)
    assert build_status(Snapshot(run=RUN, reports=(REPORT,)), plan, (), with_pods, NOW) == with_pods
