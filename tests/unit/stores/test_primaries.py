"""PostgreSQL servers that fail over, are read-only, or get a new password: the store goes on, or names the true remedy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from controller.store import Loaded, StoreUnavailable
from controller.store.sql.database import Database
from tests.cluster.processes import wait_until
from tests.postgres import USER, Door, Postgres, postgres_server, standby_of
from tests.stores import state_of
from tests.unit.stores.conftest import run_object, sql_store

PATIENCE_SECONDS = 60.0


@pytest.fixture
def primary() -> Iterator[Postgres]:
    """A server that a test may stop."""
    with postgres_server() as made:
        yield made


def name_of(url: str) -> str:
    """Return the database of a URL."""
    return url.partition("@/")[2].partition("?")[0]


def replayed(standby: Postgres, database: str, version: int) -> bool:
    """Return whether a replica has a version of the only row."""
    try:
        with standby.connect(database) as connection:
            found = connection.execute("SELECT version FROM operator_run_states").fetchone()
    except psycopg.Error:
        return False
    return found == (version,)


async def test_failover_to_a_standby(primary: Postgres) -> None:
    """With every server in the URL the store follows the primary: its state is there, the next save succeeds, none is lost."""
    direct = primary.database()
    database = name_of(direct)
    with standby_of(primary) as standby:
        store = sql_store(f"postgresql://{USER}@/{database}?host={standby.folder}&host={primary.folder}")
        await store.open()
        run = run_object()
        _, loaded = await store.commit(run, Loaded(), state_of(run), {})
        assert wait_until(lambda: replayed(standby, database, 1), PATIENCE_SECONDS)
        primary.program.stop()
        with pytest.raises(StoreUnavailable):
            await store.load(run, live=True)
        with standby.connect("postgres") as connection:
            connection.execute("SELECT pg_promote()")
        await store.open()
        assert (await store.load(run, live=True)).state == state_of(run)
        _, after = await store.commit(run, loaded, state_of(run, 1), {})
        assert after.version == 2
        await store.close()


async def test_a_replica_is_refused(primary: Postgres) -> None:
    """A replica alone is read, but not written: the error names the primary as the remedy, not a file or a volume."""
    direct = primary.database()
    store = sql_store(direct)
    await store.open()
    await store.close()
    with standby_of(primary) as standby:
        replica = sql_store(f"postgresql://{USER}@/{name_of(direct)}?host={standby.folder}")
        with pytest.raises(StoreUnavailable) as written:
            await replica.open()
        only = sql_store(f"postgresql://{USER}@/{name_of(direct)}?host={standby.folder}&target_session_attrs=primary")
        with pytest.raises(StoreUnavailable) as connected:
            await only.open()
        await replica.close()
        await only.close()
    assert "in a read-only transaction" in written.value.cause
    for error in (written.value, connected.value):
        assert error.remedy.startswith("connect to the primary")


async def test_a_primary_that_becomes_read_only(postgres: Postgres) -> None:
    """A pooled connection that has become read-only is closed: the next save takes a new one, which may lead elsewhere."""
    url = postgres.database()
    store = sql_store(url)
    await store.open()
    run = run_object()
    _, loaded = await store.commit(run, Loaded(), state_of(run), {})
    database = Database(url)
    await database.run(
        lambda connection: connection.exec_driver_sql(f"ALTER DATABASE {name_of(url)} SET default_transaction_read_only = on")
    )
    await database.close()
    await store._database.run(lambda connection: connection.exec_driver_sql("SET default_transaction_read_only = on"))
    with postgres.connect(name_of(url)) as admin:
        admin.execute("SET default_transaction_read_only = off")
        admin.execute(f"ALTER DATABASE {name_of(url)} RESET default_transaction_read_only".encode())
    with pytest.raises(StoreUnavailable, match="read-only transaction: connect to the primary"):
        await store.commit(run, loaded, state_of(run, 1), {})
    _, after = await store.commit(run, loaded, state_of(run, 1), {})
    assert after.version == 2
    await store.close()


@pytest.fixture
def guarded() -> Iterator[tuple[Postgres, Door]]:
    """A server that asks for a password, and its door."""
    door = Door.on("127.0.0.1", "127.0.0.1/32")
    with postgres_server(door) as made:
        yield made, door


async def test_a_rotated_password(guarded: tuple[Postgres, Door], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Open connections outlive a new password. New ones are refused with the remedy until PGPASSFILE has it, without a restart."""
    server, door = guarded
    url = server.database().replace(f":{door.password}@", "@")
    file = tmp_path / "pgpass"
    monkeypatch.setenv("PGPASSFILE", str(file))

    def write(password: str) -> None:
        file.write_text(f"*:*:*:*:{password}\n")
        file.chmod(0o600)

    write(door.password)
    store = sql_store(url)
    await store.open()
    run = run_object()
    _, loaded = await store.commit(run, Loaded(), state_of(run), {})
    server.set_password("second")
    _, loaded = await store.commit(run, loaded, state_of(run, 1), {})
    server.restart()
    with pytest.raises(StoreUnavailable) as refused:
        await store.commit(run, loaded, state_of(run, 2), {})
    assert refused.value.remedy == "correct the user and the password in the URL, in PGPASSWORD or in PGPASSFILE"
    assert door.password not in str(refused.value)
    write("second")
    await store.open()
    _, after = await store.commit(run, loaded, state_of(run, 2), {})
    assert after.version == 3
    await store.close()
