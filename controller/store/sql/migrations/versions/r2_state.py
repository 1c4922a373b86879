"""Revision 2: the whole state as JSON in addition to the readable columns, the Run's identity, a version for compare-and-swap,
and the ID.

Rows without JSON are the ancestor's; they stay.
"""

import sqlalchemy as sa
from alembic import op

revision = "2"
down_revision = "1"

TIMES = ("last_restart_at", "cooldown_until", "updated_at")


def upgrade() -> None:
    """Add the columns and the table of the store itself."""
    for name in ("namespace", "name"):
        op.add_column("operator_run_states", sa.Column(name, sa.Text, nullable=False, server_default=""))
    op.add_column("operator_run_states", sa.Column("version", sa.Integer, nullable=False, server_default="0"))
    op.add_column("operator_run_states", sa.Column("state", sa.Text))
    op.create_table("store_meta", sa.Column("key", sa.Text, primary_key=True), sa.Column("value", sa.Text, nullable=False))
    if op.get_bind().dialect.name == "postgresql":
        _times_as_text()


def _times_as_text() -> None:
    """Convert every time to RFC 3339 text, even if the ancestor's column was a timestamp."""
    columns = {column["name"]: column["type"] for column in sa.inspect(op.get_bind()).get_columns("operator_run_states")}
    for name in TIMES:
        if isinstance(kind := columns[name], sa.DateTime):
            zone = "" if kind.timezone else " AT TIME ZONE 'UTC'"
            text = f"to_char({name}{zone} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
            op.execute(f"ALTER TABLE operator_run_states ALTER COLUMN {name} DROP DEFAULT")
            op.execute(f"ALTER TABLE operator_run_states ALTER COLUMN {name} TYPE TEXT USING {text}")
