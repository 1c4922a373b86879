"""What `--ledger-detail all` records: each distinct situation once, and of the silences those that break a record."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api.agent_report import LimitKind
from controller.api.base import JsonObject
from controller.api.operator_state import Usage
from controller.api.policy import RunPolicySpec
from controller.api.resolved_policy import ResolvedPolicy
from controller.ledger.entry import Limits
from controller.ledger.recorder import Recorder
from controller.ledger.situations import Situation, Situations
from controller.ledger.writer import Ledger
from controller.observability.metrics import Metrics
from controller.plan import Snapshot, plan
from controller.plan.snapshot import LimitFacts, QuestionFacts, ReportFacts
from controller.plan.snapshot_reader import read_snapshot
from tests.unit.plan.generated import situations as generated
from tests.unit.stores.test_ledger import rows

BEGAN = datetime(2026, 1, 1, 12, tzinfo=UTC)
MINUTE = 60
DOCUMENT: JsonObject = {
    "now": BEGAN.isoformat(),
    "run": {"name": "demo", "uid": "r", "spec": {"agents": [{"name": "coder", "image": "x"}]}},
    "state": {"startedAt": BEGAN.isoformat(), "agents": {"coder": {"attempt": 0, "podUID": "p"}}},
    "pods": [
        {"name": "demo-coder-r0", "uid": "p", "phase": "Running", "bound": True, "ready": True, "reporting": True}
        | {"createdAt": BEGAN.isoformat(), "startedAt": BEGAN.isoformat()}
    ],
    "reports": [
        {"agent": "coder", "attempt": 0, "podUid": "p", "seq": 1, "intervalSeconds": MINUTE}
        | {"reportedAt": BEGAN.isoformat(), "activeAt": BEGAN.isoformat(), "progressAt": BEGAN.isoformat(), "progressEvents": 1}
    ],
}
START, _ = read_snapshot(DOCUMENT)
(REPORT,) = START.reports


def after(seconds: float) -> datetime:
    """Return a time so long after the start."""
    return BEGAN + timedelta(seconds=seconds)


def situation(seconds: float, report: ReportFacts = REPORT, snapshot: Snapshot = START) -> Situation:
    """Return what a pass finds so long after the start, with this report."""
    found = replace(snapshot, reports=(report,))
    return Situation(found, plan(found, after(seconds)), after(seconds))


def reported(seconds: float, **changes: Any) -> ReportFacts:
    """Return a report made so long after the start by an agent that works."""
    stamp = after(seconds)
    return replace(REPORT, seq=int(seconds), reported_at=stamp, **{"active_at": stamp, "progress_at": stamp, **changes})


@pytest.mark.parametrize(
    "second",
    [
        situation(1),
        situation(MINUTE, reported(MINUTE)),
        situation(MINUTE, reported(MINUTE, progress_events=99)),
        situation(MINUTE, reported(MINUTE, usage=Usage(input_tokens=5))),
        situation(MINUTE, reported(MINUTE, turns=3)),
    ],
    ids=["nothing", "the report's times", "its number of events", "its usage", "its turns"],
)
def test_the_same_situation(second: Situation) -> None:
    """It is recorded once, however often a pass finds it."""
    situations = Situations()
    situations.acted(situation(0))
    assert situations.seen(second) == []


OTHERS: dict[str, Situation] = {
    "a question": situation(MINUTE, reported(MINUTE, questions=(QuestionFacts("q", "Which?"),))),
    "parked": situation(MINUTE, reported(MINUTE, parked=True)),
    "a problem": situation(MINUTE, reported(MINUTE, problems=("events.jsonl is too large",))),
    "a limit": situation(MINUTE, reported(MINUTE, limit=LimitFacts(LimitKind.QUOTA, BEGAN, after(9 * MINUTE)))),
    "no progress any more": situation(MINUTE, reported(MINUTE, progress_at=None)),
    "an unready pod": situation(1, snapshot=replace(START, pods=(replace(START.pods[0], ready=False),))),
    "another policy": situation(1, snapshot=replace(START, policy=ResolvedPolicy.of("strict", RunPolicySpec(restart_budget=1)))),
    "the Run's state": situation(1, snapshot=replace(START, state=None)),
    "another plan by the time alone": situation(10 * MINUTE),
}


@pytest.mark.parametrize("name", OTHERS)
def test_another_situation(name: str) -> None:
    """It is recorded at once, and once."""
    situations = Situations()
    situations.acted(situation(0))
    assert situations.seen(OTHERS[name]) == [OTHERS[name]]
    assert situations.seen(OTHERS[name]) == []


def test_a_restarted_operator_repeats_nothing() -> None:
    """The first situation that a process sees of a Run is in the ledger already if the operator has acted for the Run before."""
    assert Situations().seen(situation(0)) == []
    fresh = situation(0, snapshot=replace(START, state=None))
    assert Situations().seen(fresh) == [fresh]


def played(reports: list[ReportFacts]) -> list[Situation]:
    """Return what is recorded of passes that find these reports one after the other."""
    situations, found = Situations(), list[Situation]()
    situations.acted(situation(0))
    for report in reports:
        found += situations.seen(Situation(replace(START, reports=(report,)), START_PLAN, report.reported_at))
    return found + situations.forget(START.run.key)


START_PLAN = situation(0).plan
"""Of each pass below: that a plan changes is another matter."""


def seconds(since: datetime, until: datetime) -> int:
    """Return the whole seconds between two times."""
    return int((until - since).total_seconds())


@given(st.lists(st.tuples(st.integers(1, 500), st.booleans(), st.booleans()), max_size=60), st.integers(1, 2000))
def test_the_rows_decide_every_threshold(history: list[tuple[int, bool, bool]], threshold: int) -> None:
    """For any threshold, the first silence that reaches it is the first that does among the recorded ones; so is progress."""
    now, active, progress, reports = 0, 0, 0, []
    for passed, acts, proceeds in history:
        now += passed
        active, progress = now if acts or proceeds else active, now if proceeds else progress
        reports.append(reported(now, active_at=after(active), progress_at=after(progress)))
    reports.append(reported(now + 1))
    kept = [row.snapshot.reports[0] for row in played(reports)]
    for base in ("active_at", "progress_at"):
        first, recorded = (
            next((getattr(each, base) for each in those if seconds(getattr(each, base), each.reported_at) >= threshold), None)
            for those in (reports, kept)
        )
        assert recorded == first, base


@given(st.permutations(range(1, 65)))
def test_few_silences_break_a_record(lengths: list[int]) -> None:
    """Only silences that are longer than all before are recorded: of 64 in random order about five."""
    now, reports = 0, []
    for length in lengths:
        now += length
        reports.append(reported(now, active_at=after(now - length)))
        now += 1
        reports.append(reported(now))
    best = [length for number, length in enumerate(lengths) if length > max(lengths[:number], default=0)]
    assert [seconds(row.snapshot.reports[0].active_at, row.at) for row in played(reports)] == best


def test_an_act_comes_after_the_silence_before_it() -> None:
    """A silence that was over before the operator acted has its row before that of the act; one that led to the act has none."""
    silent, over = situation(500, reported(500, active_at=BEGAN)), situation(560, reported(560))
    situations = Situations()
    situations.acted(situation(0))
    assert situations.seen(silent) == []
    assert situations.acted(over) == [silent]
    assert situations.seen(situation(900, reported(900, active_at=after(560)))) == []
    assert situations.acted(situation(1200, reported(1200, active_at=after(560)))) == []


def test_runs_that_are_gone_are_forgotten() -> None:
    """Memory follows the number of Runs; a silence that was not over is recorded."""
    situations = Situations()
    situations.acted(situation(0))
    silent = situation(500, reported(500, active_at=BEGAN))
    situations.seen(silent)
    assert situations.forget(START.run.key) == [silent]
    assert len(situations) == 0
    assert situations.forget_all() == []


def test_a_restart_writes_no_row_for_each_run() -> None:
    """A healthy agent has always been silent for some seconds. At the operator's end these are not worth a row."""
    situations = Situations()
    situations.seen(situation(0))
    situations.seen(situation(MINUTE, reported(MINUTE, active_at=after(MINUTE - 5))))
    assert situations.forget_all() == []


@given(st.lists(generated(), max_size=4))
def test_any_situation_is_judged(found: list[Snapshot]) -> None:
    """Whatever a Run's objects are, a pass that records its situation does not fail, and repeats no row."""
    situations = Situations()
    for number, snapshot in enumerate(found):
        first = Situation(snapshot, plan(snapshot, after(number)), after(number))
        situations.seen(first)
        assert situations.seen(first) == []
        situations.acted(first)


def test_rows_of_both_kinds(tmp_path: Path) -> None:
    """The ledger's thread writes a situation with its plan, as a row of the kind `seen`."""
    (action, *_) = plan(replace(START, state=None, pods=()), BEGAN).actions
    with Ledger(f"sqlite:///{tmp_path}/l.db", Limits(timedelta(days=36500), 1000), Metrics(), lambda: BEGAN) as ledger:
        recorder = Recorder(ledger.record, Situations())
        recorder.record(situation(0), [action], "")
        recorder.record(OTHERS["parked"], [], "")
        recorder.record(situation(2 * MINUTE, reported(2 * MINUTE, parked=True, active_at=after(MINUTE))), [], "")
        recorder.close()
    found = rows(
        tmp_path / "l.db", "kind, at, json_extract(snapshot, '$.reports[0].parked'), json_extract(outcome, '$.acted[0].step')"
    )
    assert found == [
        ("acted", "2026-01-01T12:00:00Z", None, action.step),
        ("seen", "2026-01-01T12:01:00Z", 1, None),
        ("seen", "2026-01-01T12:02:00Z", 1, None),
    ]


def test_without_the_detail_only_acts_are_recorded() -> None:
    """The default costs nothing for a pass that did not act."""
    kept: list[Any] = []
    recorder = Recorder(kept.append)
    recorder.record(situation(0), [], "")
    recorder.forget(START.run.key)
    recorder.close()
    assert kept == []
