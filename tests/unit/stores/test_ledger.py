"""The ledger keeps the decisions, within bounds, and never delays or stops the operator."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from controller.errors import RunwatchmanError
from controller.ledger import writer
from controller.ledger.bounds import CUT
from controller.ledger.entry import Entry, Limits, entry_of
from controller.ledger.tables import ADDED, SNAPSHOT_BYTES, decisions, row_of
from controller.ledger.writer import Ledger
from controller.observability.metrics import Metrics
from controller.plan import plan
from controller.plan.snapshot_reader import read_snapshot
from controller.store.sql.urls import parse_url
from tests.stores import NOW
from tests.unit.plan.stories import CASES, document_of
from tests.unit.stores.conftest import logged

LIMITS = Limits(timedelta(days=30), 1000)
ENTRY = Entry(NOW, "ns", "demo", "u1", "start", "Running", "Starting", "abc", {"run": 1}, {"actions": []}, {"acted": []})


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ledger that writes all waiting entries at its end, even on a busy machine."""
    monkeypatch.setattr(writer, "CLOSE_SECONDS", 120.0)


def rows(path: Path, what: str = "*") -> list[Any]:
    connection = sqlite3.connect(path)
    found = connection.execute(f"SELECT {what} FROM runwatchman_decisions ORDER BY id").fetchall()  # noqa: S608  # the test's own
    connection.close()
    return found


def count(metrics: Metrics, name: str) -> float:
    return metrics.registry.get_sample_value(f"runwatchman_ledger_{name}_total") or 0.0


def test_decisions_are_written_and_readable(tmp_path: Path) -> None:
    """All decisions that were recorded before the end are in the database, in order, readable with plain SQL."""
    metrics = Metrics()
    with Ledger(f"sqlite:///{tmp_path}/l.db", LIMITS, metrics, lambda: NOW) as ledger:
        for number in range(250):
            ledger.record(replace(ENTRY, digest=str(number), outcome={"acted": [], "error": "Schluß\x00"}))
    found = rows(tmp_path / "l.db", "at, namespace, run, run_uid, rule, phase, reason, digest, json_extract(outcome, '$.error')")
    assert [row[7] for row in found] == [str(number) for number in range(250)]
    assert found[0][:7] == ("2026-01-02T03:04:05Z", "ns", "demo", "u1", "start", "Running", "Starting")
    assert (count(metrics, "written"), count(metrics, "dropped")) == (250, 0)


def test_a_server_takes_them_too(postgres: Any) -> None:
    """The same on PostgreSQL."""
    metrics = Metrics()
    with Ledger(postgres.database(), LIMITS, metrics, lambda: NOW) as ledger:
        ledger.record(ENTRY)
    assert (count(metrics, "written"), count(metrics, "dropped")) == (1, 0)


def test_bounded_by_age_and_by_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest decisions are deleted by age and by number; the newest stay."""
    monkeypatch.setattr(writer, "PRUNE_EVERY", 1)
    with Ledger(f"sqlite:///{tmp_path}/l.db", Limits(timedelta(days=30), 5), Metrics(), lambda: NOW) as ledger:
        for number in range(20):
            ledger.record(replace(ENTRY, digest=str(number)))
    assert [row[0] for row in rows(tmp_path / "l.db", "digest")] == [str(number) for number in range(15, 20)]
    later = NOW + timedelta(days=31)
    with Ledger(f"sqlite:///{tmp_path}/l.db", LIMITS, Metrics(), lambda: later) as ledger:
        ledger.record(replace(ENTRY, at=later, digest="new"))
    assert [row[0] for row in rows(tmp_path / "l.db", "digest")] == ["new"]


def test_a_failing_database_costs_decisions_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Recording continues; decisions that cannot be written are dropped, counted, and logged once."""
    monkeypatch.setattr(writer, "REST_SECONDS", 0.0)
    monkeypatch.setattr(writer, "BATCH", 1)
    metrics = Metrics()
    with Ledger(f"sqlite:///{tmp_path}/missing/l.db", LIMITS, metrics, lambda: NOW) as ledger:
        for _ in range(5):
            ledger.record(ENTRY)
    assert (count(metrics, "written"), count(metrics, "dropped")) == (0, 5)
    assert logged(capsys).count("the ledger drops decisions") == 1


def test_a_full_queue_drops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decisions that do not fit into the queue are dropped; those that fit are written."""
    monkeypatch.setattr(writer, "QUEUE_LIMIT", 3)
    metrics = Metrics()
    ledger = Ledger(f"sqlite:///{tmp_path}/l.db", LIMITS, metrics, lambda: NOW)
    for _ in range(10):
        ledger.record(ENTRY)
    with ledger:
        pass
    assert (count(metrics, "written"), count(metrics, "dropped")) == (3, 7)


def test_an_entry_that_json_cannot_hold_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug of ours in one entry loses its batch, not the thread."""
    monkeypatch.setattr(writer, "BATCH", 1)
    monkeypatch.setattr(writer, "REST_SECONDS", 0.0)
    metrics = Metrics()
    with Ledger(f"sqlite:///{tmp_path}/l.db", LIMITS, metrics, lambda: NOW) as ledger:
        ledger.record(replace(ENTRY, snapshot={"bad": object()}))
        ledger.record(ENTRY)
    assert (count(metrics, "written"), count(metrics, "dropped")) == (1, 1)


@pytest.mark.parametrize("url", ["oracle://x/y", "no url", "nonsense://x"])
def test_a_database_without_a_driver_is_refused_at_start(url: str) -> None:
    """A URL that can never work is an error at the operator's start, not at each decision."""
    with pytest.raises(RunwatchmanError, match=r"sqlite:////data/runwatchman\.db"):
        Ledger(url, LIMITS, Metrics(), lambda: NOW)


def test_advice_is_kept_with_what_it_came_from() -> None:
    """The entry of the pass that accepts advice has its verdict, reason, prompt digest, model and latency."""
    [path] = [path for path in CASES if path.stem == "answer-is-recorded-first"]
    document = document_of(path)
    told = {"promptDigest": "a" * 64, "model": "gpt-5.5", "latencyMilliseconds": 2100}
    document["consultations"][0]["advice"] |= told
    snapshot, now = read_snapshot(document)
    decision = plan(snapshot, now)
    (acted,) = entry_of(snapshot, decision, decision.actions, "", now).outcome["acted"]
    assert (acted["intent"], acted["step"], acted["advice"]["verdict"], acted["advice"]["reason"]) == (
        "consult",
        "advise",
        "Accepted",
        "Accepted",
    )
    assert {key: acted["advice"][key] for key in told} == told


def column(url: str, what: str) -> list[Any]:
    """Return one column of a ledger's rows in order."""
    engine = sa.create_engine(parse_url(url))
    with engine.connect() as connection:
        found = [row[0] for row in connection.execute(sa.text(f"SELECT {what} FROM runwatchman_decisions ORDER BY id"))]  # noqa: S608
    engine.dispose()
    return found


def test_a_share_for_every_namespace(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenant that writes a hundred times as much loses only its own history, by number."""
    monkeypatch.setattr(writer, "PRUNE_EVERY", 1)
    with Ledger(url, Limits(timedelta(days=30), 20), Metrics(), lambda: NOW) as ledger:
        for number in range(5):
            ledger.record(replace(ENTRY, namespace="quiet", digest=f"quiet-{number}"))
        for number in range(500):
            ledger.record(replace(ENTRY, namespace="noisy", digest=f"noisy-{number}"))
    found = column(url, "digest")
    assert [digest for digest in found if digest.startswith("quiet")] == [f"quiet-{number}" for number in range(5)]
    assert [digest for digest in found if digest.startswith("noisy")] == [f"noisy-{number}" for number in range(485, 500)]


def test_a_share_of_the_disk(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same by bytes: large rows are pruned by their size, even if they are few."""
    monkeypatch.setattr(writer, "PRUNE_BYTES", 1)
    large = {"run": {"spec": "word " * 10_000}}
    with Ledger(url, Limits(timedelta(days=30), 1000, 400_000), Metrics(), lambda: NOW) as ledger:
        for number in range(5):
            ledger.record(replace(ENTRY, namespace="quiet", digest=f"quiet-{number}"))
        for number in range(100):
            ledger.record(replace(ENTRY, namespace="noisy", digest=f"noisy-{number}", snapshot=large))
    found = column(url, "digest")
    assert found[:5] == [f"quiet-{number}" for number in range(5)]
    assert (found[-1], len(found) < 20) == ("noisy-99", True)
    assert sum(column(url, "bytes")) <= 400_000


def test_a_row_is_bounded_redacted_and_still_json(url: str) -> None:
    """The row for a Run of a megabyte with an agent's last output is small, has no token, and is valid JSON."""
    token = "ghp_" + "a1B2" * 9
    spec = {"agents": [{"args": ["x " * 500_000], "env": [{"name": "API_TOKEN", "value": "plain-words"}]}]}
    outcome = {"acted": [], "error": f"exit 1: pushed with {token}"}
    with Ledger(url, LIMITS, Metrics(), lambda: NOW) as ledger:
        ledger.record(replace(ENTRY, snapshot={"run": {"name": "demo", "spec": spec}}, outcome=outcome))
    (snapshot,), (said,), (size,) = (column(url, name) for name in ("snapshot", "outcome", "bytes"))
    assert len(snapshot) <= SNAPSHOT_BYTES < size
    assert json.loads(snapshot)["run"]["name"] == "demo"
    assert CUT in snapshot
    assert token not in snapshot + said
    assert "plain-words" not in snapshot
    assert json.loads(said)["error"] == "exit 1: pushed with [REDACTED]"


def test_an_entry_that_cannot_be_written_costs_itself(tmp_path: Path) -> None:
    """The other entries of its batch, which may belong to another tenant, are written."""
    metrics = Metrics()
    with Ledger(f"sqlite:///{tmp_path}/l.db", LIMITS, metrics, lambda: NOW) as ledger:
        for snapshot in ({"run": 1}, {"bad": object()}, {"run": 2}):
            ledger.record(replace(ENTRY, snapshot=snapshot))
    assert (count(metrics, "written"), count(metrics, "dropped")) == (2, 1)


def test_a_ledger_of_an_older_operator_goes_on(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An older operator's table gains the columns that it lacks, its rows count with a usual size, and the older operator can still
    write to it.
    """
    monkeypatch.setattr(writer, "PRUNE_EVERY", 1)
    older = sa.MetaData()
    known = [each for each in decisions.c if each not in ADDED]
    table = sa.Table(decisions.name, older, *(sa.Column(c.name, c.type, primary_key=c.primary_key) for c in known))
    engine = sa.create_engine(parse_url(url))
    row = {key: value for key, value in row_of(replace(ENTRY, namespace="old")).items() if key in table.c}
    with engine.begin() as connection:
        older.create_all(connection)
        connection.execute(sa.insert(table), [row | {"digest": "old"}] * 3)
    with Ledger(url, Limits(timedelta(days=30), 4), Metrics(), lambda: NOW) as ledger:
        for number in range(3):
            ledger.record(replace(ENTRY, namespace="new", digest=str(number)))
    with engine.begin() as connection:
        connection.execute(sa.insert(table), [row | {"digest": "older again"}])
    engine.dispose()
    assert column(url, "digest") == ["old", "old", "1", "2", "older again"]
