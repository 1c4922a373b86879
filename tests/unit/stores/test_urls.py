"""Database URLs: no message contains a password, in any form of the URL, and certificates are verified by default."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from sqlalchemy.exc import OperationalError

from controller.cli import main
from controller.errors import RunwatchmanError
from controller.ledger.entry import Limits
from controller.ledger.writer import Ledger
from controller.observability.metrics import Metrics
from controller.store.factory import check_store_name
from controller.store.sql.database import Database
from controller.store.sql.database_errors import unavailable
from controller.store.sql.tls import system_roots
from controller.store.sql.urls import BadStore, connect_args, hidden, parse_url
from tests.stores import NOW

SECRET = "hunter2"  # noqa: S105  # a test's
MISTYPED = (
    f"postgresql:operator:{SECRET}@db/runs",
    f"postgresql//operator:{SECRET}@db/runs",
    f"postgresql:/operator:{SECRET}@db/runs",
    f"postgresql:///operator:{SECRET}@db/runs",
    f"postgresql://operator:{SECRET}@db:54a2/runs",
    f"postgresql://operator:p@{SECRET}@db/runs",
    f"postgresql://operator:p@{SECRET}:x@db/runs",
    f"postgresql://operator:p@{SECRET}?x@db/runs",
    f"postgresql://operator:p@{SECRET}/x@db/runs",
    f"postgresql://db:{SECRET}/runs",
    f"{SECRET}://operator@db/runs",
    f"operator:{SECRET}@db/runs",
    f"host=db user=operator password={SECRET}",
    f"sqlite://operator:{SECRET}@db/runs",
    f"sqlite:///runs.db?timeout={SECRET}",
    f"postgresql+{SECRET}://operator@db/runs",
    f"postgresql://operator:{SECRET}@db/runs\n@x",
)
ODD = ("p@ss", "p:w", "p/w?x#y", "p w", "p%w", "p+w", "pä'\"\\w", "$(w)", "%40", "a\nb")


def words_of(text: str) -> str:
    """Return a message without the borders and line breaks of a terminal."""
    return " ".join(text.replace("│", " ").split())


@pytest.mark.parametrize("text", MISTYPED)
def test_a_mistyped_url_is_never_repeated(text: str) -> None:
    """As a store, as a ledger and on the command line, the error has the remedy and no part of the text; nor has its cause."""
    with pytest.raises(RunwatchmanError) as refused:
        Database(check_store_name(text)).require_driver()
    with pytest.raises(RunwatchmanError) as ledger:
        Ledger(text, Limits(NOW - NOW, 1), Metrics(), lambda: NOW)
    for error in (refused.value, ledger.value):
        assert SECRET not in str(error)
        assert error.__cause__ is None
        assert error.__suppress_context__ or error.__context__ is None
        assert "postgresql://" in str(error)


@pytest.mark.parametrize("text", MISTYPED)
@pytest.mark.parametrize("command", [["store", "show", "--store"], ["store", "migrate", "--to", "status", "--from"]])
def test_the_command_line_does_not_repeat_it(command: list[str], text: str) -> None:
    """`store show` and `store migrate` refuse it in the same way, without a traceback."""
    done = CliRunner().invoke(main, [*command, text])
    assert done.exit_code in {1, 2}
    assert SECRET not in words_of(done.output)
    assert SECRET not in repr(done.exception)


@pytest.mark.parametrize("password", ODD)
def test_odd_passwords_stand_in_no_message(password: str, caplog: pytest.LogCaptureFixture) -> None:
    """A password with any characters is hidden, raw and encoded, in the URL as it is shown and in a driver's error."""
    caplog.set_level(logging.DEBUG)
    encoded = sa.URL.create("postgresql", "operator", password, "127.0.0.1", 1, "runs").render_as_string(hide_password=False)
    url = parse_url(encoded)
    assert url.password == password
    assert hidden(url) == "postgresql+psycopg://operator:***@127.0.0.1:1/runs"
    for said in (f'cannot use "{password}"', f"in {encoded}", f"{password!r} is wrong"):
        error = unavailable(url, OperationalError("SELECT", {}, Exception(said)))
        assert password not in str(error)
        assert encoded.split(":")[2].split("@")[0] not in str(error)
    assert password not in caplog.text


@pytest.mark.parametrize(
    "option",
    ["password=hunter2", "sslpassword=hunter2", "passwd=hunter2", "sslmode=require?password=hunter2", "options=-c+x=hunter2"],
)
def test_options_are_hidden_unless_they_are_known_to_be_harmless(option: str) -> None:
    """A mistyped option may be a password, too."""
    value = option.partition("=")[2].replace("+", " ")
    url = parse_url(f"postgresql://operator@db/runs?{option}&application_name=me")
    assert SECRET not in hidden(url)
    assert "application_name=me" in hidden(url)
    assert SECRET not in str(unavailable(url, OperationalError("SELECT", {}, Exception(f'bad value: "{value}"'))))


ROOTS = system_roots()
VERIFIED = {"sslmode": "verify-full", "sslrootcert": ROOTS}


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://u@db.example.com/x", VERIFIED),
        ("postgresql://u@10.0.0.5/x", VERIFIED),
        ("postgresql://u@/x?host=db.example.com", VERIFIED),
        ("postgresql://u@db/x?hostaddr=127.0.0.1", VERIFIED),
        ("postgresql://u@127.0.0.1,db/x", VERIFIED),
        ("postgresql://u@/x?host=/run/postgresql&host=db", VERIFIED),
        ("postgresql://u@/x?service=db", VERIFIED),
        ("postgresql://u@db/x?sslrootcert=/etc/ca.crt", {"sslmode": "verify-full"}),
        ("postgresql://u@db/x?sslmode=require", {}),
        ("postgresql://u@db/x?sslmode=disable", {}),
        ("postgresql://u@/x", {}),
        ("postgresql://u@/x?host=/run/postgresql", {}),
        ("postgresql://u@127.0.0.1/x", {}),
        ("postgresql://u@[::1]/x", {}),
        ("postgresql://u@localhost/x", {}),
    ],
)
def test_a_servers_certificate_is_verified_unless_told_otherwise(url: str, told: dict[str, str]) -> None:
    """The default is verify-full with the system's roots, for every server on another machine."""
    args = connect_args(parse_url(url))
    assert {key: value for key, value in args.items() if key.startswith("ssl")} == told


def test_the_environment_may_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """Libpq's own variables count like the URL; a host from them is judged, too."""
    monkeypatch.setenv("PGHOST", "db.example.com")
    assert connect_args(parse_url("postgresql://u@/x"))["sslmode"] == "verify-full"
    monkeypatch.setenv("PGSSLROOTCERT", "/etc/ca.crt")
    assert "sslrootcert" not in connect_args(parse_url("postgresql://u@/x"))
    monkeypatch.setenv("PGSSLMODE", "require")
    assert "sslmode" not in connect_args(parse_url("postgresql://u@/x"))


def test_the_systems_roots_are_a_file() -> None:
    """The driver's own OpenSSL may not know where this system keeps its roots."""
    assert Path(ROOTS).exists()


def test_a_socket_by_its_abstract_name() -> None:
    """An abstract socket is on this machine, and is written encoded: an @ of its own is a mistake elsewhere."""
    assert "sslmode" not in connect_args(parse_url("postgresql://u@/x?host=%40runs"))
    with pytest.raises(BadStore):
        parse_url("postgresql://u@/x?host=@runs")


@pytest.mark.parametrize(
    ("url", "shown", "expected"),
    [
        ("postgresql://u@%2Frun%2Fpg/x", "postgresql+psycopg://u@/x?host=%2Frun%2Fpg", {"host": "/run/pg", "sslmode": "missing"}),
        ("postgresql://u@/x?host=/run/pg&port=6432", "postgresql+psycopg://u@/x?host=%2Frun%2Fpg&port=6432", {"port": "6432"}),
        (
            "postgresql://u@[2001:db8::1]:6432/x",
            "postgresql+psycopg://u@[2001:db8::1]:6432/x",
            {"host": "2001:db8::1", "port": 6432},
        ),
        ("postgresql://u@a,b/x", "postgresql+psycopg://u@a,b/x", {"host": "a,b", "target_session_attrs": "read-write"}),
        (
            "postgresql://u@/x?host=a:1&host=b:2&target_session_attrs=any",
            "postgresql+psycopg://u@/x?host=***&target_session_attrs=any",
            {"host": "a,b", "port": "1,2", "target_session_attrs": "any"},
        ),
        ("postgresql://u@db/x", "postgresql+psycopg://u@db/x", {"options": "", "prepare_threshold": None, "connect_timeout": "5"}),
        ("postgresql://u@db/x?options=-c%20a.b%3D1%20-d%205", "postgresql+psycopg://u@db/x?options=***", {"options": "-d 5"}),
        (
            "postgresql://u@db/x?prepare_threshold=0",
            "postgresql+psycopg://u@db/x?prepare_threshold=***",
            {"prepare_threshold": None},
        ),
    ],
)
def test_what_the_driver_gets(url: str, shown: str, expected: dict[str, object]) -> None:
    """Sockets, IPv6 and several servers are accepted; options become settings; prepared statements stay off."""
    parsed = parse_url(url)
    assert hidden(parsed) == shown
    given = {**parsed.get_dialect()().create_connect_args(parsed)[1], **connect_args(parsed)}
    assert {key: given.get(key, "missing") for key in expected} == expected


def test_one_server_is_taken_as_it_is() -> None:
    """Only among several servers the driver looks for the primary."""
    assert "target_session_attrs" not in connect_args(parse_url("postgresql://u@db/x"))


def test_several_hosts_with_ports_have_a_remedy() -> None:
    """The form of libpq is not read, and the message has the one that is."""
    with pytest.raises(BadStore, match=r"for several servers postgresql://user@/database\?host=a:5432&host=b:5432"):
        parse_url("postgresql://u@a:5432,b:5432/x")
