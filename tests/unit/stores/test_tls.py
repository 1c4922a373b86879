"""A real PostgreSQL server with a self-signed certificate: refused by default, accepted if the URL names it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from controller.ledger import writer
from controller.ledger.entry import Limits
from controller.ledger.writer import Ledger
from controller.observability.metrics import Metrics
from controller.store import Loaded
from tests.postgres import CERTIFICATE, Door, Postgres, postgres_server
from tests.stores import NOW, state_of
from tests.unit.stores.conftest import logged, refused_at_open, run_object, sql_store
from tests.unit.stores.test_ledger import ENTRY, count

NAME = "db.runwatchman.test"
PATIENCE = 60.0
"""Seconds for one connection on a busy machine."""


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A server with a self-signed certificate, on loopback under another name."""
    with postgres_server(Door.on("127.0.0.1", "127.0.0.1/32", NAME)) as made:
        yield made


async def test_a_self_signed_certificate_is_refused_by_default(server: Postgres) -> None:
    """No data is sent to a server that cannot prove its name; the error has the remedy, and no password."""
    url = server.database()
    error = await refused_at_open(url)
    assert "certificate verify failed" in error.cause
    assert "?sslrootcert=/path/ca.crt" in error.remedy
    assert url.split(":")[2].split("@")[0] not in str(error)


async def test_it_is_taken_where_its_root_is_named(server: Postgres) -> None:
    """With the certificate as its root the store works, and the connection is encrypted."""
    url = f"{server.database()}&sslrootcert={server.folder}/{CERTIFICATE}"
    store = sql_store(url)
    await store.open()
    run = run_object()
    await store.commit(run, Loaded(), state_of(run), {})
    with server.connect("postgres") as connection:
        encrypted = connection.execute(
            "SELECT bool_and(s.ssl) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) WHERE a.client_addr IS NOT NULL"
        ).fetchone()
    assert encrypted == (True,)
    await store.close()


async def test_another_name_is_refused(server: Postgres) -> None:
    """A trusted certificate for another host is refused."""
    url = f"{server.database()}&sslrootcert={server.folder}/{CERTIFICATE}".replace(NAME, "other.runwatchman.test")
    error = await refused_at_open(url)
    assert "does not match host name" in error.cause
    assert "a name that is in the server's certificate" in error.remedy


async def test_a_url_may_say_otherwise(server: Postgres) -> None:
    """An explicit sslmode is the installer's decision."""
    store = sql_store(f"{server.database()}&sslmode=require")
    await store.open()
    await store.close()


async def test_a_root_that_is_not_there(server: Postgres) -> None:
    """A volume that was not mounted is named with its remedy."""
    error = await refused_at_open(f"{server.database()}&sslrootcert=/nowhere/ca.crt")
    assert "mount the CA's file" in error.remedy


async def test_a_server_without_tls(postgres: Postgres) -> None:
    """A server without TLS gets no clear-text connection unless the URL allows it."""
    with postgres_server(Door.on("127.0.0.1", "127.0.0.1/32")) as clear:
        url = clear.database()
        error = await refused_at_open(url.replace("@127.0.0.1", f"@{NAME}").replace("sslmode=disable", "hostaddr=127.0.0.1"))
        assert "let the server speak TLS" in error.remedy
        store = sql_store(url)
        await store.open()
        await store.close()


def test_the_ledger_is_held_to_the_same(
    server: Postgres, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Decisions hold the specs of Runs; they are sent to no server that cannot prove its name."""
    monkeypatch.setattr(writer, "CLOSE_SECONDS", PATIENCE)
    for more, written in (("", 0), (f"&sslrootcert={server.folder}/{CERTIFICATE}", 1)):
        metrics, url = Metrics(), server.database()
        with Ledger(url + more, Limits(timedelta(days=30), 1000), metrics, lambda: NOW) as ledger:
            ledger.record(ENTRY)
        assert (count(metrics, "written"), count(metrics, "dropped")) == (written, 1 - written)
    out = logged(capsys)
    assert "certificate verify failed" in out
    assert url.split(":")[2].split("@")[0] not in out
