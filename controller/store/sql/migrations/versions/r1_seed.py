"""Revision 1: the table of runwatchman's ancestor, with its columns only. An existing table is used unchanged."""

import sqlalchemy as sa
from alembic import op

revision = "1"
down_revision = None


def upgrade() -> None:
    """Create the table unless it exists."""
    if sa.inspect(op.get_bind()).has_table("operator_run_states"):
        return
    op.create_table(
        "operator_run_states",
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("restart_attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("last_restart_at", sa.Text),
        sa.Column("cooldown_until", sa.Text),
        sa.Column("updated_at", sa.Text, nullable=False),
    )
