"""What the simulation check writes as a kubelet and a reporter is read as the facts of the simulated world."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from controller.api.operator_state import ResultStatus
from controller.api.phases import Phase
from controller.facts.pods import pod_facts
from controller.facts.reports import report_facts
from controller.plan.snapshot import PodFacts, QuestionFacts, ReportFacts, Termination
from controller.simulation.result import RunResult
from tests.builders import a_pod, a_report
from tests.simulation_check.comparison import compare, same, table
from tests.simulation_check.objects import pod_status, report_status

AT = datetime(2026, 1, 5, 12, tzinfo=UTC)
REPORT = ReportFacts(
    agent="coder",
    run_uid="run-1",
    attempt=0,
    pod_uid="c0",
    seq=7,
    reported_at=AT,
    interval_seconds=5,
    active_at=AT - timedelta(seconds=20),
    progress_at=AT - timedelta(seconds=30),
    progress_events=3,
    sources=("Processes",),
    questions=(QuestionFacts("q1", "which way?"),),
    delivered=("q1",),
    result=ResultStatus(outcome="Completed", summary=""),
)
POD = PodFacts("demo-coder-r0", "c0", "coder", 0, "run-1", reporting=True)
CONTAINERS = {"initContainers": [{"name": "runwatchman-reporter", "restartPolicy": "Always"}], "containers": [{"name": "coder"}]}


def test_a_report_is_read_as_it_was() -> None:
    """Ages become times by the API server's clock again."""
    assert report_facts(a_report(report_status(REPORT), at="2026-01-05T12:00:00Z")) == REPORT


def test_a_running_and_an_ended_pod_are_read_as_they_were() -> None:
    """The end has the agent's exit code, and the reporter's last report."""
    runs = replace(POD, phase="Running", started_at=AT, ready=True)
    read = pod_facts(a_pod(CONTAINERS, patched(pod_status({"spec": CONTAINERS}, runs))))
    assert (read.phase, read.started_at, read.ready, read.termination) == ("Running", AT, True, None)
    end = Termination(143, "Error", "", AT, AT + timedelta(seconds=60))
    ended = replace(runs, phase="Failed", reason="DeadlineExceeded", ready=False, termination=end, last_report=REPORT)
    read = pod_facts(a_pod(CONTAINERS, patched(pod_status({"spec": CONTAINERS}, ended))))
    assert (read.phase, read.reason, read.termination, read.ready) == ("Failed", "DeadlineExceeded", end, False)
    assert read.last_report is not None
    assert (read.last_report.seq, read.last_report.questions) == (7, REPORT.questions)


def patched(patch: Any) -> Any:
    """Return what a patch leaves: fields without those that it removes."""
    if isinstance(patch, dict):
        return {key: patched(value) for key, value in patch.items() if value is not None}
    return [patched(value) for value in patch] if isinstance(patch, list) else patch


def test_figures_agree_within_the_interval_of_a_mean() -> None:
    """A difference of the means counts if chance explains it in less than one of twenty cases."""
    one = a_result(charged=0)
    runs = [replace(one, charged=number % 2) for number in range(200)]
    rows = {row.name: row for row in compare(runs, runs[:100] * 2, runs, 240)}
    assert rows["restarts, charged"].agrees
    assert not next(row for row in compare([one] * 200, runs, runs, 240) if row.name == "restarts, charged").agrees
    assert same([one, one], [one, replace(one, attempts=2)]) == 0.5
    assert "**differs**" in table(compare([one] * 200, runs, runs, 240))


def a_result(charged: int) -> RunResult:
    """Return the result of a Run that completed after a minute."""
    numbers: dict[str, Any] = dict.fromkeys(RunResult.__dataclass_fields__, 0)
    numbers |= {"phase": Phase.COMPLETED, "reason": "", "finished_seconds": 60.0, "attempts": 1, "charged": charged}
    return RunResult(**numbers)
