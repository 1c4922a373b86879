"""A replay makes each recorded plan again, byte for byte, and names the rows where it does not or cannot."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from controller.ledger.entry import entry_of
from controller.ledger.reading import DamagedRow, Row
from controller.ledger.replay import shards
from controller.ledger.replay.document import audit_document, audit_lines
from controller.ledger.replay.reproduce import Finding, Result, Situation, reproduce
from controller.ledger.replay.shards import judge_all
from controller.ledger.replay.summary import LISTED, Audit, AuditSummary, Scope
from controller.ledger.tables import row_of
from controller.plan import plan
from controller.plan.snapshot_reader import read_snapshot
from tests.stores import NOW
from tests.unit.plan.stories import CASES, document_of

TOKEN = "ghp_" + "a1B2" * 9


@cache
def story(name: str) -> Path:
    """Return the file of a story."""
    return next(path for path in CASES if path.stem == name)


def row_for(document: dict[str, Any], number: int = 1) -> Row:
    """Return the row of a pass in the situation of a document, as the operator's ledger has it."""
    snapshot, now = read_snapshot(document)
    decision = plan(snapshot, now)
    kept = row_of(entry_of(snapshot, decision, decision.actions, "", now))
    names = ("namespace", "run", "run_uid", "rule", "phase", "reason", "digest", "snapshot", "plan", "outcome")
    return Row(number, NOW, *(kept[name] for name in names))


RESTART = row_for(document_of(story("budget-of-one-restarts-one-of-two")))


def finding(row: Row | DamagedRow) -> Finding:
    """Return what a replay finds about a row."""
    found = reproduce(row)
    assert isinstance(found, Finding)
    return found


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_each_story_is_reproduced(path: Path) -> None:
    """Every kind of decision survives the ledger."""
    document = document_of(path)
    if read_snapshot(document)[0].run.spec is None:
        return  # an unreadable spec is not stored as a spec
    assert isinstance(reproduce(row_for(document)), Situation)


def test_a_decision_of_another_revision_is_named() -> None:
    """A changed decision is found by its bytes, and each field that differs is named with both values."""
    recorded = json.loads(RESTART.plan)
    changed = json.dumps(recorded | {"reason": "Unready", "withheld": [{"step": "reserve"}]}, ensure_ascii=False)
    found = finding(replace(RESTART, plan=changed))
    assert (found.result, found.id, found.run) == (Result.DIFFERENT, 1, "demo")
    assert [(each.field, each.recorded, each.now) for each in found.differences] == [
        ("reason", "Unready", recorded["reason"]),
        ("withheld", '[{"step": "reserve"}]', ""),
    ]


def test_a_changed_word_of_a_message_is_a_difference() -> None:
    """Texts count too, not only the digest; equal fields in other bytes are a difference as well."""
    spaced = finding(replace(RESTART, plan=RESTART.plan.replace('": "', '":  "', 1)))
    assert (spaced.result, [each.field for each in spaced.differences]) == (Result.DIFFERENT, ["bytes"])


def test_a_column_that_its_plan_belies_is_a_difference() -> None:
    """The columns that people query must be those of the plan."""
    assert finding(replace(RESTART, digest="0" * 64)).result is Result.DIFFERENT


def test_a_secret_that_is_only_shown_changes_nothing() -> None:
    """A kubelet's message with a token leads to the same plan, since the plan's own texts are redacted in the same way."""
    document = document_of(story("budget-of-one-restarts-one-of-two"))
    document["pods"][0]["termination"]["message"] = f"cannot push with {TOKEN}"
    row = row_for(document)
    assert "[REDACTED]" in row.snapshot
    assert isinstance(reproduce(row), Situation)


def test_a_secret_that_a_rule_has_judged_cannot_be_judged() -> None:
    """An outcome rule looked for a text that the ledger removed: the replay cannot decide as the operator did, and says so."""
    document = document_of(story("budget-of-one-restarts-one-of-two"))
    rule = {"messageContains": "a1B2a1B2", "action": "Escalate"}
    document["policy"] = {"spec": {"restartBudget": 1, "outcomes": [rule]}}
    for agent in document["state"]["agents"].values():
        agent["outcome"]["message"] = f"cannot push with {TOKEN}"
    found = finding(row_for(document))
    assert found.result is Result.REDACTED
    assert found.problem


def test_a_snapshot_that_was_cut_cannot_be_judged() -> None:
    """A situation that is larger than a row lacks parts that the plan needs."""
    document = document_of(story("budget-of-one-restarts-one-of-two"))
    document["claims"] = [{"agent": f"agent{number}"} for number in range(5000)]
    found = finding(row_for(document))
    assert found.result is Result.CUT


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (DamagedRow(7, "at is not a time"), "at is not a time"),
        (replace(RESTART, id=7, snapshot="{"), "snapshot: JSONDecodeError"),
        (replace(RESTART, id=7, snapshot="[1]"), "snapshot: snapshot: must be a mapping"),
        (replace(RESTART, id=7, snapshot='{"now": "2026-01-01T00:00:00Z"}'), "run.name: is missing"),
        (replace(RESTART, id=7, snapshot='{"run": {"name": "x"}, "state": [], "now": 5}'), "snapshot: TypeError"),
        (replace(RESTART, id=7, snapshot="[" * 100_000), "snapshot: RecursionError"),
        (replace(RESTART, id=7, plan="{"), "plan: Expecting property name"),
        (replace(RESTART, id=7, plan="5"), "plan: must be an object"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_damaged_row_is_named_with_its_fault(row: Row | DamagedRow, problem: str) -> None:
    """Whatever a row has in it, the replay goes on."""
    found = finding(row)
    assert (found.id, found.result) == (7, Result.DAMAGED)
    assert problem in found.problem


def test_results_are_the_same_in_any_number_of_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each process gets whole Runs, in batches; nothing is lost or judged twice."""
    monkeypatch.setattr(shards, "BATCH", 3)
    rows: list[Row | DamagedRow] = [replace(RESTART, id=number, uid=f"u{number % 5}", digest="0") for number in range(1, 60)]
    rows.append(DamagedRow(60, "gone"))
    found = [sorted(f.id for part in judge_all(rows, Audit, jobs) for f in part if f) for jobs in (1, 2)]
    assert found == [list(range(1, 61))] * 2


def test_a_summary_lists_some_and_counts_all() -> None:
    """Ten thousand differences fill neither memory nor screen."""
    summary, scope = AuditSummary(), Scope()
    scope.add(RESTART)
    bad = finding(replace(RESTART, digest="0"))
    for _ in range(LISTED + 5):
        summary.add([bad, None])
    assert audit_document(scope, summary)["different"] == LISTED + 5
    assert len(audit_document(scope, summary)["findings"]) == LISTED
    assert list(audit_lines(scope, summary))[-1] == "and 5 more"
