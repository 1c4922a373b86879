"""The description of a store for `runwatchman store show`; it changes nothing."""

from __future__ import annotations

from typing import NamedTuple

from controller.api.operator_state import SCHEMA_VERSION
from controller.kube.client import Client
from controller.kube.resources import RUNS


class Description(NamedTuple):
    """A short description of a store."""

    id: str
    schema: str
    states: int
    migrated_to: str = ""


async def describe_on_runs(client: Client, store_id: str) -> Description:
    """Return the description of a store whose states are on their Runs."""
    runs = (await client.list_all(RUNS)).items
    count = sum(run.get("status", {}).get("storeID") == store_id for run in runs)
    return Description(store_id, f"runwatchman.dev/v1alpha1, state {SCHEMA_VERSION}", count)


async def describe_database(url: str) -> Description:
    """Return the description of a store in a database. Raises StoreUnavailable."""
    from controller.store.sql.database import Database  # SQLAlchemy costs time and memory: import it only for a database.
    from controller.store.sql.schema import describe

    database = Database(url)
    try:
        database.require_file()
        return Description(*await database.run(lambda connection: describe(connection, database.name)))
    finally:
        await database.close()
