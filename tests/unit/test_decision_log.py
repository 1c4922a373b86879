"""What a reconcile leaves behind of its steps: one log line, one entry in the ledger, a metric for each."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from controller.api.timestamps import parse_time
from controller.facts.runs import run_facts
from controller.kube.errors import Conflict
from controller.ledger.entry import Entry
from controller.ledger.recorder import Recorder
from controller.ledger.situations import Situation
from controller.observability.metrics import Metrics
from controller.plan import Snapshot, plan
from controller.plan.actions import CreatePod, PauseRun, Ungate
from controller.plan.reasons import Reason
from controller.reconcile.decision_log import DecisionLog
from controller.reconcile.observer import Observation
from controller.reconcile.work import Work
from tests.builders import a_run

NOON = parse_time("2026-01-01T12:00:00Z")
POD = {"reason": Reason.STARTING, "agent": "coder", "attempt": 0, "pod": "demo-coder-r0"}
CREATE, UNGATE = CreatePod(**POD), Ungate(**POD, pod_uid="c0")  # type: ignore[arg-type]  # the fields of both
PAUSE = PauseRun(reason=Reason.PAUSE_REQUESTED)
STARTED = [
    {"intent": "start", "step": "create-pod", "reason": "Starting", "agent": "coder", "attempt": 0},
    {"intent": "start", "step": "ungate", "reason": "Starting", "agent": "coder", "attempt": 0},
]
"""The steps of a start, as a log line has them."""


@pytest.fixture
def work() -> Work:
    """A reconcile that has not acted yet."""
    assert NOON
    snapshot = Snapshot(run_facts(a_run()))
    return Work.on(Observation({}, snapshot), Situation(snapshot, plan(snapshot, NOON), NOON), proven=False)


def above_debug(captured: list[EventDict]) -> list[EventDict]:
    """Return the lines that an operator logs by default."""
    return [line for line in captured if line["log_level"] != "debug"]


def test_a_reconcile_logs_its_steps_in_one_line(work: Work) -> None:
    """The line lists the steps in order, with the plan's digest; at the level debug each step has a line when it is done."""
    record = DecisionLog(Metrics(), None)
    with capture_logs() as captured, record.recorded(work):
        record.acted(work, CREATE)
        assert captured == [{"event": "step", "log_level": "debug", **STARTED[0]}]
        record.acted(work, UNGATE)
    acted = {"event": "acted", "log_level": "info", "plan": work.first.plan.digest, "steps": STARTED}
    assert above_debug(captured) == [acted]


def test_a_step_of_the_run_names_no_agent(work: Work) -> None:
    """A step that concerns the whole Run has neither agent nor attempt."""
    record = DecisionLog(Metrics(), None)
    with capture_logs() as captured, record.recorded(work):
        record.acted(work, PAUSE)
    assert above_debug(captured)[0]["steps"] == [{"intent": "stop", "step": "pause", "reason": "PauseRequested"}]


def fail(record: DecisionLog, work: Work, error: Exception) -> None:
    """Make a reconcile that fails after its first step."""
    with record.recorded(work):
        record.acted(work, CREATE)
        raise error


@pytest.mark.parametrize("error", [Conflict("PUT", 409, "Conflict", "newer"), KeyError("x")], ids=["refused", "a bug"])
def test_a_reconcile_that_fails_has_logged_what_it_did(work: Work, error: Exception) -> None:
    """The step before the failure is in the log and in the ledger, there with the API server's error."""
    kept: list[Entry | Situation] = []
    with capture_logs() as captured, pytest.raises(type(error)):
        fail(DecisionLog(Metrics(), Recorder(kept.append)), work, error)
    assert [line["steps"] for line in above_debug(captured)] == [STARTED[:1]]
    assert isinstance(kept[0], Entry)
    assert ("newer" in kept[0].outcome.get("error", "")) == isinstance(error, Conflict)


def test_a_reconcile_without_a_step_logs_nothing(work: Work) -> None:
    """Most reconciles find that nothing is due."""
    record = DecisionLog(Metrics(), None)
    with capture_logs() as captured, record.recorded(work):
        pass
    assert captured == []


def test_a_refused_write_keeps_its_warning(work: Work) -> None:
    """It is no step; its line has the API server's words."""
    record = DecisionLog(Metrics(), None)
    with capture_logs() as captured, record.recorded(work):
        record.refused(CREATE, "denied by x")
    refused = {"event": "write refused", "log_level": "warning", "step": "create-pod", "agent": "coder", "error": "denied by x"}
    assert captured == [refused]
