"""The schema: upgrades from every shipped revision, no drift, no loss, and newer revisions are refused."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from controller.store import Loaded, StoreUnavailable
from controller.store.sql.database import Database
from controller.store.sql.schema import READER, revision, upgrade, write_meta
from controller.store.sql.sql_store import SqlStore
from controller.store.sql.tables import VERSION_TABLE, metadata
from tests.stores import NOW, state_of
from tests.unit.stores.conftest import run_object, sql_store

SEED_ROW = ("seed-1", 2, "2025-05-05T05:05:05Z", None, "2025-05-05T05:05:06Z")
SEED_TABLE = """CREATE TABLE operator_run_states (run_id VARCHAR(64) PRIMARY KEY, restart_attempts INTEGER NOT NULL,
 last_restart_at {time}, cooldown_until {time}, updated_at {time} NOT NULL)"""


def insert_seed(connection: sa.Connection) -> None:
    names = ("a", "b", "c", "d", "e")
    query = "INSERT INTO operator_run_states (run_id, restart_attempts, last_restart_at, cooldown_until, updated_at) "
    connection.execute(sa.text(query + "VALUES (:a, :b, :c, :d, :e)"), dict(zip(names, SEED_ROW, strict=True)))


def seed_row(connection: sa.Connection) -> tuple[object, ...]:
    query = "SELECT run_id, restart_attempts, last_restart_at, cooldown_until, updated_at FROM operator_run_states"
    return tuple(connection.execute(sa.text(query + " WHERE run_id = 'seed-1'")).one())


async def opened(url: str) -> None:
    store = sql_store(url)
    await store.open()
    await store.close()


@pytest.mark.parametrize("start", ["the ancestor's own table", "1", "2"])
async def test_upgrades_from_every_revision_keep_every_row(url: str, start: str) -> None:
    """The ancestor's bare table and each revision upgrade to the newest one; the ancestor's row is unchanged."""
    database = Database(url)

    def begin(connection: sa.Connection) -> None:
        if start in ("1", "2"):
            upgrade(connection, "it", start)
        else:
            connection.execute(sa.text(SEED_TABLE.format(time="TEXT")))
        insert_seed(connection)

    await database.run(begin)
    await opened(url)
    assert await database.run(revision) == "2"
    assert await database.run(seed_row) == SEED_ROW
    await database.close()


async def test_the_ancestors_timestamps_become_text(postgres: object) -> None:
    """The ancestor's real timestamps become RFC 3339 text for the same moments."""
    url = postgres.database()  # type: ignore[attr-defined]  # the fixture's own type is in conftest
    database = Database(url)
    await database.run(lambda c: c.execute(sa.text(SEED_TABLE.format(time="TIMESTAMP WITH TIME ZONE"))))
    await database.run(insert_seed)
    await opened(url)
    assert await database.run(seed_row) == SEED_ROW
    await database.close()


async def test_the_tables_are_what_the_revisions_make(url: str) -> None:
    """Alembic finds no difference between the newest revision and the tables that the code uses."""
    await opened(url)
    database = Database(url)

    def drift(connection: sa.Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE, "compare_type": True})
        return list(compare_metadata(context, metadata))

    assert await database.run(drift) == []
    await database.close()


async def test_a_newer_schema_is_refused_and_left_alone(url: str) -> None:
    """A database that a newer runwatchman has upgraded is refused with the remedy, and not changed."""
    await opened(url)
    database = Database(url)
    await database.run(lambda c: c.execute(sa.text("UPDATE operator_store_version SET version_num = '99'")))
    store = sql_store(url)
    with pytest.raises(StoreUnavailable, match=r"revision 99, this runwatchman knows up to 2: upgrade the operator"):
        await store.open()
    assert await database.run(revision) == "99"
    await store.close()
    await database.close()


async def test_a_newer_schema_that_we_may_use_is_used_as_it_is(url: str) -> None:
    """A newer schema that only adds is marked so: after a rollback the older operator saves to it, and the additions stay."""
    await opened(url)
    database = Database(url)

    def add(connection: sa.Connection) -> None:
        connection.execute(sa.text("ALTER TABLE operator_run_states ADD COLUMN added INTEGER NOT NULL DEFAULT 7"))
        connection.execute(sa.text("UPDATE operator_store_version SET version_num = '99'"))
        write_meta(connection, READER, "2")

    await database.run(add)
    store, run = sql_store(url), run_object()
    await store.open()
    first, loaded = await store.commit(run, Loaded(), state_of(run), {})
    await store.commit(first, loaded, state_of(run, 1), {})
    added = await database.run(lambda c: c.execute(sa.text("SELECT version, added FROM operator_run_states")).all())
    assert (added, await database.run(revision)) == ([(2, 7)], "99")
    await store.close()
    await database.close()


async def test_the_id_is_made_once(url: str) -> None:
    """Opening again, even by another process, finds the same ID; another database has another."""
    one, two = sql_store(url), sql_store(url)
    await one.open()
    await two.open()
    assert one.id == two.id
    first = one.id
    await one.open()
    assert one.id == first
    await one.close()
    await two.close()


async def test_the_ancestors_row_is_refused_never_overwritten(url: str) -> None:
    """A Run whose UID is in the ancestor's table is Blocked, and the message has the data of that row."""
    database = Database(url)
    await database.run(lambda c: upgrade(c, "it", "1"))
    await database.run(insert_seed)
    store = sql_store(url)
    await store.open()
    loaded = await store.load(run_object("seed-1"), live=True)
    assert "restart_attempts 2" in loaded.refusal
    assert not {known.uid for known in await store.known()}
    assert await database.run(seed_row) == SEED_ROW
    await store.close()
    await database.close()


async def test_rows_are_readable_with_plain_sql(store: SqlStore, tmp_path: Path) -> None:
    """sqlite3 without runwatchman shows who, how often, when, until when, and the whole state by JSON path."""
    run = run_object()
    state = state_of(run, 3, cooldown_until=NOW, last_restart_at=NOW)
    await store.commit(run, Loaded(), state, {})
    connection = sqlite3.connect(tmp_path / "states.db")
    query = """SELECT namespace, name, restart_attempts, last_restart_at, cooldown_until, updated_at, version,
        json_extract(state, '$.agents.coder.attempt') FROM operator_run_states WHERE run_id = 'u1'"""
    time = "2026-01-02T03:04:05Z"
    assert connection.execute(query).fetchone() == ("ns", "run-u1", 3, time, time, time, 1, 3)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()
