"""The store in a database. It saves a row first, then the Run's status. Effects come after both, so a crash in between is
harmless.

`status.stateVersion` records the row version that a Run has seen. An older row was rolled back; a newer one was saved by a pass
that was interrupted.
"""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from controller.api.base import JsonObject
from controller.api.operator_state import OperatorState
from controller.api.timestamps import format_time
from controller.kube.client import Client
from controller.kube.errors import Conflict
from controller.store import KnownRun, Loaded, StoreUnavailable
from controller.store.sql.database import Database
from controller.store.sql.schema import read_meta, store_id, upgrade, write_meta
from controller.store.sql.statements import DELETE, INSERT, KNOWN, READ, UPDATE
from controller.store.sql.tables import row_of
from controller.store.state_record import NOTHING_DONE, decode, judge, mismatch, moved_status
from controller.store.status_store import write_after_save, write_status


class Row(NamedTuple):
    """The columns of a Run's row that are read."""

    version: int
    state: str | None
    restart_attempts: int


class SqlStore:
    """Stores the states in the table `operator_run_states`."""

    detached = True

    def __init__(self, database: Database, client: Client, *, even_if_migrated: bool = False) -> None:
        self._database, self._client, self._even_if_migrated = database, client, even_if_migrated
        self._id = ""
        self._seen: dict[str, Row | None] = {}

    @property
    def id(self) -> str:
        """The store's ID, which is stored in the database itself."""
        if not self._id:
            raise StoreUnavailable(self._database.name, "it has not been opened", "wait until it is open")
        return self._id

    async def open(self) -> None:
        """Upgrade the schema, read the ID, and check that the database is writable and is the one in use."""
        self._seen.clear()
        self._id = await self._database.reopen(self._prepare)

    async def close(self) -> None:
        """Close the database."""
        await self._database.close()

    async def load(self, run: JsonObject, *, live: bool) -> Loaded:
        """Return the state of a Run's row. Without `live` it comes from memory, unless the cached row is refused."""
        if refusal := mismatch(run, self.id):
            return Loaded(refusal=refusal)
        uid = run["metadata"]["uid"]
        if not live and uid in self._seen and not (known := self._judge(run, self._seen[uid])).refusal:
            return known
        self._seen[uid] = await self._database.run(partial(_read, uid))
        return self._judge(run, self._seen[uid])

    async def commit(
        self, run: JsonObject, before: Loaded, state: OperatorState | None, status: JsonObject
    ) -> tuple[JsonObject, Loaded]:
        """Save the row if it is still at the version that was read, then the status; see `Store.commit`."""
        if state is not None:
            await self._save(run, before.version or None, state)
        return await write_after_save(self._client, run, before, state, status, self.id)

    async def take(self, run: JsonObject, state: OperatorState | None) -> JsonObject:
        """Store a Run of another store; a row that an earlier try left is overwritten."""
        version = 0
        if state is not None:
            there = await self._database.run(partial(_read, run["metadata"]["uid"]))
            version = (there.version if there else 0) + 1
            await self._save(run, there.version if there else None, state)
        return await write_status(self._client, run, moved_status(run, self.id, version=version))

    async def release(self, run: JsonObject) -> None:
        """Do nothing: the row stays as a record, and the Run names another store."""

    async def forget(self, run: KnownRun) -> None:
        """Delete the row of a deleted Run."""
        self._seen.pop(run.uid, None)
        await self._database.run(lambda connection: connection.execute(DELETE, run._asdict()))

    async def known(self) -> frozenset[KnownRun]:
        """Return the Run of every row."""
        return await self._database.run(_known)

    async def mark_migrated(self, to: str) -> None:
        """Record in the database itself that its Runs are in another store, so that every later `open` is refused."""
        await self._database.run(lambda connection: write_meta(connection, "migrated_to", to))

    def _prepare(self, connection: sa.Connection) -> str:
        name = self._database.name
        upgrade(connection, name)
        if (moved := read_meta(connection, "migrated_to")) and not self._even_if_migrated:
            remedy = "start the operator with that store, or move the Runs back with `runwatchman store migrate`"
            raise StoreUnavailable(name, f"its Runs were moved to {moved}", remedy)
        write_meta(connection, "opened_at", format_time(self._client.server_now()))
        return store_id(connection)

    def _judge(self, run: JsonObject, row: Row | None) -> Loaded:
        if row is None:
            return judge(run, None, "its row in operator_run_states")
        if row.state is None:
            return Loaded(refusal=_of_the_ancestor(row), version=row.version)
        found = decode(row.state, WHERE)
        return Loaded(refusal=found, version=row.version) if isinstance(found, str) else judge(run, found, WHERE, row.version)

    async def _save(self, run: JsonObject, expected: int | None, state: OperatorState) -> None:
        """Write the row over the expected version, None for no row. Raises Conflict."""
        values = row_of(run, state, (expected or 0) + 1, self._client.server_now())
        uid = values["run_id"]
        self._seen.pop(uid, None)  # The result of a failed write is unknown.
        try:
            is_written = await self._database.run(partial(_write, expected, values))
        except IntegrityError:
            is_written = False
        if not is_written:
            raise _conflict(uid)
        self._seen[uid] = Row(values["version"], values["state"], values["restart_attempts"])


WHERE = "operator_run_states.state"


def _read(uid: str, connection: sa.Connection) -> Row | None:
    found = connection.execute(READ, {"uid": uid}).one_or_none()
    return Row(*found) if found else None


def _write(expected: int | None, values: dict[str, object], connection: sa.Connection) -> bool:
    """Insert or update a row; return whether it had the expected version. Raises IntegrityError if another one was inserted."""
    if expected is None:
        connection.execute(INSERT, values)
        return True
    return connection.execute(UPDATE, values | {"uid": values["run_id"], "expected": expected}).rowcount == 1


def _known(connection: sa.Connection) -> frozenset[KnownRun]:
    return frozenset(KnownRun(*row) for row in connection.execute(KNOWN))


def _conflict(uid: str) -> Conflict:
    what = f"SAVE operator_run_states/{uid}"
    return Conflict(what, HTTPStatus.CONFLICT, "Conflict", "the row has changed since it was read")


def _of_the_ancestor(row: Row) -> str:
    return (
        f"its row in operator_run_states is of runwatchman's ancestor (restart_attempts {row.restart_attempts}) and holds no "
        f"state: what was done for it is unknown; {NOTHING_DONE}"
    )
