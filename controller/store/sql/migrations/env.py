"""Configures Alembic to apply the revisions on the given connection, inside its transaction."""

from alembic import context

from controller.store.sql.tables import VERSION_TABLE

context.configure(connection=context.config.attributes["connection"], version_table=VERSION_TABLE)
context.run_migrations()
