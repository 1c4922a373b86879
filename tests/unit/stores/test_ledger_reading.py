"""A ledger's rows are read in order, page by page, without changing it; a damaged row costs only itself."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from controller.errors import RunwatchmanError
from controller.ledger import reading
from controller.ledger.reading import DamagedRow, Extent, Row, Selection, count, extent, read
from controller.ledger.tables import decisions, prepare, row_of
from controller.store.sql.urls import parse_url
from tests.stores import NOW
from tests.unit.stores.test_ledger import ENTRY


def keep(url: str, *rows: dict[str, Any]) -> None:
    """Write rows into a ledger; each has its differences from an ordinary one."""
    engine = sa.create_engine(parse_url(url))
    with engine.begin() as connection:
        prepare(connection)
        for row in rows:
            connection.execute(sa.insert(decisions), row_of(ENTRY) | row)
    engine.dispose()


def digests(url: str, **selected: Any) -> list[str]:
    """Return the digests of the selected rows."""
    return [row.digest for row in read(url, Selection(**selected)) if isinstance(row, Row)]


def test_all_rows_come_in_order_over_many_pages(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages follow one another without a gap or a repetition, also where IDs are missing."""
    monkeypatch.setattr(reading, "PAGE", 3)
    keep(url, *({"digest": str(number), "id": 10 * number + 1} for number in range(10)))
    assert digests(url) == [str(number) for number in range(10)]
    assert count(url) == 10


def test_a_ledger_without_kinds_is_of_acts(url: str) -> None:
    """An older operator's table has no such column, and rows that it adds to a newer one's have no value in it."""
    keep(url, {"kind": None}, {"kind": "seen"})
    assert [row.kind for row in read(url) if isinstance(row, Row)] == ["acted", "seen"]
    engine = sa.create_engine(parse_url(url))
    with engine.begin() as connection:
        connection.execute(sa.text(f"ALTER TABLE {decisions.name} DROP COLUMN kind"))
    engine.dispose()
    assert [row.kind for row in read(url) if isinstance(row, Row)] == ["acted", "acted"]


def test_an_extent_has_the_first_and_the_last_time(url: str) -> None:
    """Without rows both are empty."""
    keep(url, {"at": "2026-01-02T00:00:00Z"}, {"at": "2026-01-01T00:00:00Z"})
    assert extent(url) == Extent(2, "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")
    assert extent(url, Selection(run="nobody")) == Extent(0, "", "")


def test_a_row_has_its_texts_as_they_are_stored(url: str) -> None:
    """Documents are not parsed; the time is aware."""
    keep(url, {"snapshot": '{"run":  1}'})
    (row,) = read(url)
    assert row == Row(
        *(1, NOW, "ns", "demo", "u1", "start", "Running", "Starting", "abc"),
        *('{"run":  1}', '{"actions": []}', '{"acted": []}'),
        kind="acted",
    )


@pytest.mark.parametrize(
    ("selected", "expected"),
    [
        ({"since": NOW + timedelta(seconds=1)}, ["b", "c"]),
        ({"until": NOW + timedelta(seconds=2)}, ["a", "b"]),
        ({"since": NOW + timedelta(seconds=1), "until": NOW + timedelta(seconds=2)}, ["b"]),
        ({"namespace": "other"}, ["c"]),
        ({"run": "demo"}, ["a", "c"]),
        ({"run": "demo", "namespace": "ns"}, ["a"]),
        ({"run": "nobody"}, []),
    ],
)
def test_rows_are_selected_by_time_and_run(tmp_path: Path, selected: dict[str, Any], expected: list[str]) -> None:
    """`since` is included and `until` is not, so that two adjacent selections share no row."""
    url = f"sqlite:///{tmp_path}/l.db"
    keep(
        url,
        {"digest": "a"},
        {"digest": "b", "at": "2026-01-02T03:04:06Z", "run": "second"},
        {"digest": "c", "at": "2026-01-02T03:04:07Z", "namespace": "other"},
    )
    assert digests(url, **selected) == expected
    assert count(url, Selection(**selected)) == len(expected)


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        ("SET at = 'yesterday'", "at is not a time"),
        ("SET at = '2026-01-01T00:00:00'", "at is not a time"),
        ("SET snapshot = x'00ff'", "snapshot is not a text"),
        ("SET snapshot = CAST(x'7bff7d' AS TEXT)", "snapshot is not a text"),
        ("SET plan = x'7b7d'", "plan is not a text"),
    ],
)
def test_a_damaged_row_is_named_and_passed_over(tmp_path: Path, damage: str, problem: str) -> None:
    """SQLite stores any value in any column. The rows around a damaged one are read."""
    url = f"sqlite:///{tmp_path}/l.db"
    keep(url, {"digest": "a"}, {"digest": "b"}, {"digest": "c"})
    connection = sqlite3.connect(tmp_path / "l.db")
    connection.execute(f"UPDATE runwatchman_decisions {damage} WHERE id = 2")
    connection.commit()
    connection.close()
    first, second, third = read(url)
    assert (first.id, second, third.id) == (1, DamagedRow(2, problem), 3)


def test_a_page_with_a_broken_row_is_read_row_by_row(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk's damage fails the query of a whole page. Then each row is read alone, and only the broken one is lost."""
    keep(url, {"digest": "a"}, {"digest": "b"}, {"digest": "c"})
    select = reading._select

    def fail(columns: list[Any], conditions: tuple[Any, ...], connection: sa.Connection) -> list[Any]:
        found = select(columns, conditions, connection)
        if len(columns) > 1 and any(row[0] == 2 for row in found):
            raise sa.exc.DatabaseError("SELECT", None, Exception("missing chunk number 0 for toast value"))
        return found

    monkeypatch.setattr(reading, "_select", fail)
    first, second, third = read(url)
    assert (first.id, third.id) == (1, 3)
    assert second == DamagedRow(2, "missing chunk number 0 for toast value")


def test_reading_changes_no_file(tmp_path: Path) -> None:
    """A copy of a ledger is read as it is: same bytes, and no other file beside it."""
    url = f"sqlite:///{tmp_path}/l.db"
    keep(url, {})
    before = (tmp_path / "l.db").read_bytes()
    os.utime(tmp_path / "l.db", (0, 0))
    assert digests(url) == ["abc"]
    assert (tmp_path / "l.db").read_bytes() == before
    assert (tmp_path / "l.db").stat().st_mtime == 0
    assert [path.name for path in tmp_path.iterdir()] == ["l.db"]


def test_a_ledger_in_use_is_read(tmp_path: Path) -> None:
    """The operator keeps its write lock for a moment only, and a reader does not wait for it."""
    url = f"sqlite:///{tmp_path}/l.db?timeout=0.1"
    keep(url, {})
    writer = sqlite3.connect(tmp_path / "l.db", isolation_level=None)
    writer.execute("PRAGMA journal_mode=WAL")
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("DELETE FROM runwatchman_decisions")
    assert digests(url) == ["abc"]
    writer.close()


def test_a_name_with_any_character_is_a_file(tmp_path: Path) -> None:
    """Characters that mean something in SQLite's own URLs are parts of a name."""
    (tmp_path / "a b#c%20?").mkdir()
    quoted = f"sqlite:///{tmp_path}/a b#c%20%3f/l.db"
    path = parse_url(quoted).database or ""
    Path(path).parent.mkdir(exist_ok=True)
    keep(quoted, {})
    assert digests(quoted) == ["abc"]


def _missing(folder: Path) -> str:
    return f"sqlite:///{folder}/none.db"


def _empty(folder: Path) -> str:
    sqlite3.connect(folder / "empty.db").execute("CREATE TABLE other (id INTEGER)").connection.close()
    return f"sqlite:///{folder}/empty.db"


def _other(folder: Path) -> str:
    (folder / "text").write_text("This is no database, although it is long enough for one. " * 100)
    return f"sqlite:///{folder}/text"


@pytest.mark.parametrize(
    ("where", "message"),
    [
        (_missing, r"none\.db: there is no such file: correct the URL"),
        (_empty, r"empty\.db has no ledger \(no table runwatchman_decisions\): give the URL of the operator's --ledger"),
        (_other, "not a database: this file is something else"),
        (lambda _: "sqlite://", "has no ledger"),
        (lambda _: "/data/ledger.db", "not a database URL"),
        (lambda _: "oracle://x/y", "no driver for this URL is installed"),
        (lambda _: "postgresql://nobody@127.0.0.1:1/x?connect_timeout=1", "127.0.0.1:1"),
    ],
)
def test_a_url_without_a_ledger_is_refused_in_words(tmp_path: Path, where: Callable[[Path], str], message: str) -> None:
    """The error names the database and the remedy, and nothing is created."""
    url = where(tmp_path)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(RunwatchmanError, match=message):
        list(read(url))
    with pytest.raises(RunwatchmanError, match=message):
        count(url)
    assert sorted(tmp_path.iterdir()) == before


def test_an_older_ledger_is_read(url: str) -> None:
    """A table of an operator before the column `bytes` has all that a reader needs."""
    older = sa.MetaData()
    sa.Table(
        "runwatchman_decisions", older, *(sa.Column(c.name, c.type, primary_key=c.primary_key) for c in list(decisions.c)[:-1])
    )
    engine = sa.create_engine(parse_url(url))
    row = {key: value for key, value in row_of(replace(ENTRY, digest="old")).items() if key != "bytes"}
    with engine.begin() as connection:
        older.create_all(connection)
        connection.execute(sa.insert(older.tables["runwatchman_decisions"]), row)
    engine.dispose()
    assert digests(url) == ["old"]
