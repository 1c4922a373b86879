"""The ledger's table. It is history: it is made when missing, and never upgraded; a new shape would be a new table."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from controller.conditions import format_time
from controller.ledger.entry import Entry

metadata = sa.MetaData()
NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
NAME, WORD = sa.String(253), sa.String(128)

decisions = sa.Table(
    "runwarden_decisions",
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
)


def row_of(entry: Entry) -> dict[str, Any]:
    """Return an entry as a row."""
    texts = {"namespace": entry.namespace, "run": entry.run, "run_uid": entry.uid, "rule": entry.rule}
    texts |= {"phase": entry.phase, "reason": entry.reason, "digest": entry.digest, "at": format_time(entry.at)}
    objects = {"snapshot": entry.snapshot, "plan": entry.plan, "outcome": entry.outcome}
    return texts | {name: json.dumps(value, ensure_ascii=False) for name, value in objects.items()}
