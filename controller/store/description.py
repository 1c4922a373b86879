"""What `runwarden store show` tells of a store, without changing it."""

from __future__ import annotations

from typing import NamedTuple

from controller.api.run_status import SCHEMA_VERSION
from controller.kube.client import Client
from controller.kube.resources import RUNS


class Description(NamedTuple):
    """A store in a few words."""

    id: str
    schema: str
    states: int
    migrated_to: str = ""


async def describe_on_runs(client: Client, store_id: str) -> Description:
    """Return what is known of a store whose states are on their Runs."""
    runs = (await client.list_all(RUNS)).items
    count = sum(run.get("status", {}).get("storeID") == store_id for run in runs)
    return Description(store_id, f"runwarden.dev/v1alpha1, state {SCHEMA_VERSION}", count)


async def describe_database(url: str) -> Description:
    """Return what is known of a store in a database. Raises StoreUnavailable."""
    from controller.store.sql.database import Database  # SQLAlchemy takes its time and memory only where it is used.
    from controller.store.sql.schema import describe

    database = Database(url)
    try:
        database.require_file()
        return Description(*await database.run(lambda connection: describe(connection, database.name)))
    finally:
        await database.close()
