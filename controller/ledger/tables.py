"""The ledger's table.

It has no migrations, because it is history: it is created when missing, and new columns must be optional for older writers. Any
other change of its shape needs a new table.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from controller.api.timestamps import format_time
from controller.ledger.bounds import text_of
from controller.ledger.entry import Entry

metadata = sa.MetaData()
NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
NAME, WORD = sa.String(253), sa.String(128)

decisions = sa.Table(
    "runwatchman_decisions",
    metadata,
    sa.Column("id", NUMBER, primary_key=True, autoincrement=True),
    sa.Column("at", sa.String(32), nullable=False, index=True),
    sa.Column("namespace", NAME, nullable=False),
    sa.Column("run", NAME, nullable=False),
    sa.Column("run_uid", WORD, nullable=False, index=True),
    sa.Column("rule", WORD, nullable=False),
    sa.Column("phase", WORD, nullable=False),
    sa.Column("reason", WORD, nullable=False),
    sa.Column("digest", WORD, nullable=False),
    sa.Column("snapshot", sa.Text, nullable=False),
    sa.Column("plan", sa.Text, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("bytes", sa.Integer),
    sa.Column("kind", sa.String(16)),
)
ADDED = (decisions.c.bytes, decisions.c.kind)
"""The columns that older writers leave out. Without a kind the row is of a pass that acted."""
share = sa.Index("ix_runwatchman_decisions_share", decisions.c.namespace, decisions.c.id, decisions.c.bytes)
"""Index for the shares of namespaces, so that their sizes are computed without reading the rows."""

SNAPSHOT_BYTES, PLAN_BYTES, OUTCOME_BYTES = 65_536, 16_384, 16_384
"""Maximum bytes of a row's objects. A snapshot has about 10 KB."""
OTHER_BYTES = 1024
"""Assumed size of a row's other columns."""
UNKNOWN_BYTES = 12_288
"""Assumed size of a row of an older writer."""


def prepare(connection: sa.Connection) -> None:
    """Create the table, or its missing columns and indexes."""
    metadata.create_all(connection)
    known = sa.inspect(connection)
    present = {column["name"] for column in known.get_columns(decisions.name)}
    for column in ADDED:
        if column.name not in present:
            kind = column.type.compile(connection.dialect)
            connection.execute(sa.text(f"ALTER TABLE {decisions.name} ADD COLUMN {column.name} {kind}"))
    if share.name not in {index["name"] for index in known.get_indexes(decisions.name)}:
        share.create(connection, checkfirst=True)


def row_of(entry: Entry) -> dict[str, Any]:
    """Return an entry as a row of limited size, without recognisable secrets."""
    texts = {"namespace": entry.namespace, "run": entry.run, "run_uid": entry.uid, "rule": entry.rule}
    texts |= {"phase": entry.phase, "reason": entry.reason, "digest": entry.digest, "at": format_time(entry.at), "kind": entry.kind}
    objects = {
        "snapshot": text_of(entry.snapshot, SNAPSHOT_BYTES),
        "plan": text_of(entry.plan, PLAN_BYTES),
        "outcome": text_of(entry.outcome, OUTCOME_BYTES),
    }
    return {**texts, **objects, "bytes": OTHER_BYTES + sum(len(text.encode()) for text in objects.values())}
