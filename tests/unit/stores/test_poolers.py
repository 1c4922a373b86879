"""The store behind a real PgBouncer: each mode, a pool that is smaller than its clients, restarts, and true refusals."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress

import psycopg
import pytest
import sqlalchemy as sa

from controller.ledger.entry import Entry, Limits
from controller.ledger.writer import Ledger
from controller.observability.metrics import Metrics
from controller.store import Loaded, StoreUnavailable
from controller.store.sql.database import Database
from controller.store.sql.sql_store import SqlStore
from tests.pgbouncer import Bouncer, pgbouncer
from tests.postgres import USER, Postgres, postgres_server
from tests.stores import NOW, state_of
from tests.unit.stores.conftest import refused_at_open, run_object, sql_store

SAVES = 240
"""More saves than clients, and more clients than the two server connections of the pool."""
POOLS: dict[str, dict[str, object]] = {
    "session": {"pool_mode": "session", "default_pool_size": 4},
    "session with a reset": {"pool_mode": "session", "default_pool_size": 4, "server_reset_query": "DISCARD ALL"},
    "transaction": {"pool_mode": "transaction", "default_pool_size": 2},
    "transaction with resets": {"pool_mode": "transaction", "default_pool_size": 2, "server_reset_query_always": 1},
    "transaction that drops options": {"pool_mode": "transaction", "ignore_startup_parameters": "options"},
    "transaction without prepared statements": {"pool_mode": "transaction", "max_prepared_statements": 0},
    "transaction with prepared statements": {"pool_mode": "transaction", "max_prepared_statements": 200},
    "transaction that drops servers": {"pool_mode": "transaction", "server_lifetime": 0, "server_idle_timeout": 1},
}
TRANSACTION: dict[str, object] = {"pool_mode": "transaction", "default_pool_size": 1}
SETTINGS = ("synchronous_commit", "statement_timeout", "lock_timeout", "search_path")


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[SqlStore]:
    """An open store."""
    store = sql_store(url)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A server that the tests of this module may restart."""
    with postgres_server() as made:
        yield made


@pytest.fixture(scope="module")
def bouncer(server: Postgres) -> Iterator[Bouncer]:
    """A PgBouncer in transaction mode with one server connection for each database."""
    with pgbouncer(server, **TRANSACTION) as made:
        yield made


def settings_in(connection: sa.Connection) -> tuple[str, ...]:
    """Return the settings in force."""
    return tuple(str(connection.exec_driver_sql(f"SHOW {name}").scalar_one()) for name in SETTINGS)


async def save_twice(store: SqlStore, number: int) -> None:
    """Save a new Run, and save it again over that version."""
    run = run_object(f"u{number}")
    _, loaded = await store.commit(run, Loaded(), state_of(run), {})
    await store.commit(run, loaded, state_of(run, 1), {})


@pytest.mark.parametrize("pool", POOLS)
async def test_concurrent_saves(server: Postgres, pool: str) -> None:
    """Every one of many concurrent saves succeeds and is read back, also with fewer server connections than clients."""
    with pgbouncer(server, **POOLS[pool]) as made:
        async with opened(made.url(server.database())) as store:
            await asyncio.gather(*(save_twice(store, number) for number in range(SAVES // 2)))
            runs = [run_object(f"u{number}") for number in range(SAVES // 2)]
            found = await asyncio.gather(*(store.load(run, live=True) for run in runs))
    assert [(loaded.state, loaded.version) for loaded in found] == [(state_of(run, 1), 2) for run in runs]


async def test_two_operators_upgrade_at_once(server: Postgres, bouncer: Bouncer) -> None:
    """The lock of an upgrade belongs to its transaction, so that it holds behind a pooler too."""
    url = bouncer.url(server.database())
    stores = [sql_store(url) for _ in range(4)]
    await asyncio.gather(*(store.open() for store in stores))
    assert len({store.id for store in stores}) == 1
    await asyncio.gather(*(store.close() for store in stores))


def test_ledger_writes_through_a_pool(server: Postgres, bouncer: Bouncer) -> None:
    """The ledger writes each decision, in more than one transaction."""
    metrics = Metrics()
    entry = Entry(NOW, "ns", "run", "uid", "rule", "Running", "reason", "digest", {}, {}, {})
    with Ledger(bouncer.url(server.database()), Limits(NOW - NOW, 10_000), metrics, lambda: NOW) as ledger:
        for _ in range(300):
            ledger.record(entry)
    assert metrics.ledger_written._value.get() == 300
    assert metrics.ledger_dropped._value.get() == 0


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", ("on", "10s", "5s", '"$user", public')),
        ("-c statement_timeout=2000", ("on", "2s", "5s", '"$user", public')),
        ('--lock-timeout=1s -csearch_path="a\\ b",public', ("on", "10s", "1s", '"a b",public')),
        ("-c synchronous_commit=remote_apply -c search_path=a'b", ("remote_apply", "10s", "5s", "a'b")),
    ],
)
@pytest.mark.parametrize("pooled", [True, False])
async def test_settings_hold_in_each_transaction(
    server: Postgres, bouncer: Bouncer, options: str, expected: tuple[str, ...], *, pooled: bool
) -> None:
    """Our settings, and those of `?options=`, hold whatever another client has set for the session, and stay in no session."""
    direct = server.database()
    url = sa.make_url(bouncer.url(direct) if pooled else direct)
    query = {"options": options} if options else {}
    database = Database(url.update_query_dict(query).render_as_string(hide_password=False))
    with psycopg.connect(host=str(bouncer.folder), port=bouncer.port, user=USER, dbname=url.database, autocommit=True) as other:
        other.execute("SET statement_timeout = '77s'")
        assert [await database.run(settings_in) for _ in range(3)] == [expected] * 3
        left = other.execute("SHOW statement_timeout").fetchone()
    assert left == ("77s",)
    await database.close()


async def test_options_of_the_environment(server: Postgres, bouncer: Bouncer, monkeypatch: pytest.MonkeyPatch) -> None:
    """PGOPTIONS counts like `?options=`, and does not reach the pooler either."""
    monkeypatch.setenv("PGOPTIONS", "-c statement_timeout=3s")
    database = Database(bouncer.url(server.database()))
    assert (await database.run(settings_in))[1] == "3s"
    await database.close()


async def test_statement_mode_is_refused_at_start(server: Postgres) -> None:
    """Statement mode has no transactions: the store does not open, and the remedy names the setting."""
    direct = server.database()
    with pgbouncer(server, pool_mode="statement") as made:
        error = await refused_at_open(made.url(direct))
    assert "transaction blocks not allowed in statement pooling mode" in error.cause
    assert error.remedy.startswith("this PgBouncer has pool_mode = statement")
    assert (await refused_tables(direct)) == 0


async def refused_tables(url: str) -> int:
    """Return the number of tables in a database."""
    database = Database(url)
    count = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
    found = await database.run(lambda connection: connection.exec_driver_sql(count).scalar_one())
    await database.close()
    return int(found)


async def test_other_options_are_refused_with_their_name(server: Postgres, bouncer: Bouncer) -> None:
    """Options that are no settings are left to the driver: PgBouncer refuses them, and the remedy is to remove them."""
    error = await refused_at_open(f"{bouncer.url(server.database())}&options=-d%205")
    assert "startup parameter" in error.cause
    assert "options" in error.cause
    assert error.remedy.startswith("take this parameter out of the URL")


async def test_no_place_for_a_client(server: Postgres) -> None:
    """A limit of client connections is named, and not taken for a server that is down."""
    with (
        pgbouncer(server, max_client_conn=1) as made,
        psycopg.connect(host=str(made.folder), port=made.port, user=USER, dbname="postgres"),
    ):
        error = await refused_at_open(made.url(server.database()))
    assert "no more connections allowed" in error.cause
    assert error.remedy.startswith("raise PgBouncer's limit of client connections")


async def test_no_place_for_a_transaction(server: Postgres) -> None:
    """A save that finds no free server connection in time fails with the remedy, and the next one succeeds."""
    with pgbouncer(server, **TRANSACTION, query_wait_timeout=1) as made:
        async with opened(made.url(server.database())) as store:
            run = run_object()
            name = sa.make_url(store._database.url).database
            with psycopg.connect(host=str(made.folder), port=made.port, user=USER, dbname=name) as holder:
                holder.execute("SELECT 1")
                with pytest.raises(StoreUnavailable, match=r"query_wait_timeout.*: raise PgBouncer's default_pool_size"):
                    await store.commit(run, Loaded(), state_of(run), {})
            await store.commit(run, Loaded(), state_of(run), {})


async def test_pooler_that_restarts(server: Postgres) -> None:
    """After a restart of PgBouncer, or of its connections to the server, the next save succeeds at once."""
    with pgbouncer(server, **TRANSACTION) as made:
        async with opened(made.url(server.database())) as store:
            run = run_object()
            _, loaded = await store.commit(run, Loaded(), state_of(run), {})
            made.admin("RECONNECT")
            _, loaded = await store.commit(run, loaded, state_of(run, 1), {})
            made.program.stop()
            with pytest.raises(StoreUnavailable) as caught:
                await store.load(run, live=True)
            assert caught.value.remedy == "see that the server runs, and that the URL's host and port reach it"
            made.program.start()
            _, after = await store.commit(run, loaded, state_of(run, 2), {})
            assert after.version == 3


async def test_server_that_restarts_behind_its_pooler(server: Postgres) -> None:
    """While the server is down the error is about PgBouncer's way to it; afterwards no save is lost, and the store goes on."""
    with pgbouncer(server, **TRANSACTION, query_wait_timeout=2, server_login_retry=1) as made:
        async with opened(made.url(server.database())) as store:
            run = run_object()
            _, loaded = await store.commit(run, Loaded(), state_of(run), {})
            server.program.stop()
            try:
                with pytest.raises(StoreUnavailable) as caught:
                    await store.commit(run, loaded, state_of(run, 1), {})
            finally:
                server.program.start()
            assert caught.value.remedy.startswith(("see that PgBouncer reaches its server", "wait until the server is up"))
            await until_open(store)
            loaded = await store.load(run, live=True)
            assert loaded.state == state_of(run)
            _, after = await store.commit(run, loaded, state_of(run, 1), {})
            assert after.version == 2


async def until_open(store: SqlStore) -> None:
    """Open a store again, as the operator does until it succeeds; a pooler without a server lets each try wait."""
    async with asyncio.timeout(60):
        while True:
            with suppress(StoreUnavailable):
                return await store.open()
