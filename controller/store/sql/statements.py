"""The statements on the table of states, built once: building one takes SQLAlchemy as long as executing it."""

from __future__ import annotations

import sqlalchemy as sa

from controller.store.sql.tables import states

READ = sa.select(states.c.version, states.c.state, states.c.restart_attempts).where(states.c.run_id == sa.bindparam("uid"))
KNOWN = sa.select(states.c.run_id, states.c.namespace, states.c.name).where(states.c.namespace != "")
"""Rows of runwatchman's ancestor have no namespace."""

INSERT = sa.insert(states)
UPDATE = sa.update(states).where(states.c.run_id == sa.bindparam("uid"), states.c.version == sa.bindparam("expected"))
DELETE = sa.delete(states).where(
    states.c.run_id == sa.bindparam("uid"), states.c.namespace == sa.bindparam("namespace"), states.c.name == sa.bindparam("name")
)
"""A row of this UID under another namespace or name is another Run's and stays."""
