"""The schema's revisions, applied by Alembic when the store opens."""
