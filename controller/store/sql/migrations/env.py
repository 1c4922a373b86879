"""How Alembic applies the revisions: on the connection that it is given, inside that connection's transaction."""

from alembic import context

from controller.store.sql.tables import VERSION_TABLE

context.configure(connection=context.config.attributes["connection"], version_table=VERSION_TABLE)
context.run_migrations()
