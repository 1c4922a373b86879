"""Prunes the ledger: deletes entries that are too old, then the oldest entries of the largest namespaces."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from controller.api.timestamps import format_time
from controller.ledger.entry import Limits
from controller.ledger.shares import level
from controller.ledger.tables import UNKNOWN_BYTES, decisions

SIZE = sa.func.coalesce(decisions.c.bytes, UNKNOWN_BYTES)


def prune(connection: sa.Connection, limits: Limits, now: datetime) -> None:
    """Delete rows until the ledger is within its limits. A namespace within its share of rows and bytes loses none to others."""
    connection.execute(sa.delete(decisions).where(decisions.c.at < format_time(now - limits.age)))
    counted = sa.select(decisions.c.namespace, sa.func.count(), sa.func.sum(SIZE)).group_by(decisions.c.namespace)
    held = {namespace: (int(rows), int(size)) for namespace, rows, size in connection.execute(counted)}
    most_rows = level([rows for rows, _ in held.values()], limits.rows)
    most_bytes = level([size for _, size in held.values()], limits.size)
    for namespace, (rows, size) in held.items():
        if rows > most_rows or size > most_bytes:
            _shorten(connection, namespace, most_rows, most_bytes)


def _shorten(connection: sa.Connection, namespace: str, most_rows: int, most_bytes: int) -> None:
    """Delete all rows of a namespace but the newest ones that fit into its share."""
    size = 0
    own = sa.select(decisions.c.id, SIZE).where(decisions.c.namespace == namespace).order_by(decisions.c.id.desc())
    for rows, (number, each) in enumerate(connection.execute(own).all(), 1):
        size += each
        if rows > most_rows or size > most_bytes:
            connection.execute(sa.delete(decisions).where(decisions.c.namespace == namespace, decisions.c.id <= number))
            return
