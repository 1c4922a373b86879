"""Upgrades a database to the newest schema, and refuses a schema that only a newer program may use."""

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
"""PostgreSQL's advisory lock for an upgrade; SQLite's transaction is its own lock."""
NEWEST = "head"
READER = "oldest_reader"
"""Key in `store_meta` of the oldest revision whose programs may use the current schema. A revision that only adds columns with
defaults writes it, so that the database still works after `helm rollback`. A revision that changes a meaning removes it.
"""


def upgrade(connection: sa.Connection, name: str, to: str = NEWEST) -> None:
    """Apply the missing revisions in the connection's transaction. A newer schema that this program may use is left unchanged.

    Raises StoreUnavailable for a schema that it may not use.
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
            f"its schema is revision {found}, this runwatchman knows up to {max(known)}",
            "upgrade the operator, or restore a backup of the database from before its upgrade",
        )
    command.upgrade(config, to)


def revision(connection: sa.Connection) -> str | None:
    """Return the revision of a database; None if it never was a runwatchman store."""
    return MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()


def read_meta(connection: sa.Connection, key: str) -> str:
    """Return the store's metadata value of a key, or an empty text."""
    found: str | None = connection.execute(sa.select(meta.c.value).where(meta.c.key == key)).scalar()
    return found or ""


def write_meta(connection: sa.Connection, key: str, value: str) -> None:
    """Write a metadata value."""
    connection.execute(sa.delete(meta).where(meta.c.key == key))
    connection.execute(sa.insert(meta).values(key=key, value=value))


def store_id(connection: sa.Connection) -> str:
    """Return the store's ID, created on the first call."""
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
    """Return the store's ID, revision, number of states, and the store that its Runs moved to. Raises StoreUnavailable if it has
    none.
    """
    found = revision(connection)
    if found is None:
        raise StoreUnavailable(name, "it contains no store", "correct the URL; the operator creates the store when it starts")
    count = connection.execute(sa.select(sa.func.count()).select_from(states)).scalar_one()
    return read_meta(connection, "id"), f"revision {found}", count, read_meta(connection, "migrated_to")
