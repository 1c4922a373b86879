"""Bringing a database to the newest schema, and refusing what only a newer program may use."""

from __future__ import annotations

import uuid
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from controller.store import StoreUnavailable
from controller.store.sql.tables import VERSION_TABLE, meta, states

LOCK_KEY = 0x72756E77  # "runw"
"""PostgreSQL's advisory lock that an upgrade holds; SQLite's transaction is its lock."""
NEWEST = "head"
READER = "oldest_reader"
"""Under this key `store_meta` names the oldest revision whose programs may go on with the schema as it is. A revision that only
adds what has a default writes it, so that `helm rollback` finds a database that works; one that changes a meaning removes it.
"""


def upgrade(connection: sa.Connection, name: str, to: str = NEWEST) -> None:
    """Apply what revisions are missing, in the connection's transaction; a newer schema that we may use is left as it is.

    Raises StoreUnavailable for one that we may not use.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK_KEY)))
    found = revision(connection)
    config = _config(connection)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        if read_meta(connection, READER) in known:
            return
        raise StoreUnavailable(
            name,
            f"its schema is revision {found}, this runwarden knows up to {max(known)}",
            "upgrade the operator, or restore a backup of the database from before its upgrade",
        )
    command.upgrade(config, to)


def revision(connection: sa.Connection) -> str | None:
    """Return the revision that a database is at; None where it never was ours."""
    return MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()


def read_meta(connection: sa.Connection, key: str) -> str:
    """Return what the store knows of itself under a key; empty where it knows nothing."""
    found: str | None = connection.execute(sa.select(meta.c.value).where(meta.c.key == key)).scalar()
    return found or ""


def write_meta(connection: sa.Connection, key: str, value: str) -> None:
    """Keep something under a key."""
    connection.execute(sa.delete(meta).where(meta.c.key == key))
    connection.execute(sa.insert(meta).values(key=key, value=value))


def store_id(connection: sa.Connection) -> str:
    """Return the store's ID, made up when it is first asked for."""
    if not (found := read_meta(connection, "id")):
        found = f"sql-{uuid.uuid4()}"
        write_meta(connection, "id", found)
    return found


def _config(connection: sa.Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def describe(connection: sa.Connection, name: str) -> tuple[str, str, int, str]:
    """Return the store's ID, its revision, its number of states, and where its Runs went. Raises StoreUnavailable for none."""
    found = revision(connection)
    if found is None:
        raise StoreUnavailable(name, "it holds no store", "correct the URL; an operator makes the store when it starts with it")
    count = connection.execute(sa.select(sa.func.count()).select_from(states)).scalar_one()
    return read_meta(connection, "id"), f"revision {found}", count, read_meta(connection, "migrated_to")
