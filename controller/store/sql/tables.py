"""The tables of the newest revision, and the conversion of a state to a row."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from controller.api.base import JsonObject
from controller.api.operator_state import OperatorState
from controller.api.timestamps import format_time
from controller.store.state_record import encode

VERSION_TABLE = "operator_store_version"
"""Alembic's own table. It has not its default name, since a database may be shared."""

metadata = sa.MetaData()

states = sa.Table(
    "operator_run_states",
    metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("namespace", sa.Text, nullable=False, server_default=""),
    sa.Column("name", sa.Text, nullable=False, server_default=""),
    sa.Column("restart_attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("last_restart_at", sa.Text),
    sa.Column("cooldown_until", sa.Text),
    sa.Column("updated_at", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False, server_default="0"),
    sa.Column("state", sa.Text),
)

meta = sa.Table(
    "store_meta",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)


def row_of(run: JsonObject, state: OperatorState, version: int, now: datetime) -> dict[str, Any]:
    """Return the row of a Run's state. The readable columns are derived from the state, which alone is authoritative."""
    agents = state.agents.values()
    return {
        "run_id": run["metadata"]["uid"],
        "namespace": run["metadata"]["namespace"],
        "name": run["metadata"]["name"],
        "restart_attempts": sum(agent.restarts for agent in agents),
        "last_restart_at": _latest(agent.last_restart_at for agent in agents),
        "cooldown_until": _latest(agent.cooldown_until for agent in agents),
        "updated_at": format_time(state.updated_at or now),
        "version": version,
        "state": encode(state),
    }


def _latest(moments: Any) -> str | None:
    latest = max((moment for moment in moments if moment), default=None)
    return format_time(latest) if latest else None
