"""Each error of a database has the remedy that applies to it; none has another database's."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from sqlalchemy.exc import OperationalError

from controller.store.sql.database_errors import ANY_REMEDY, unavailable
from controller.store.sql.postgres_errors import CLASSES, STATES, WORDS
from controller.store.sql.sqlite_errors import REMEDIES
from controller.store.sql.urls import parse_url

POSTGRES, SQLITE, OTHER = parse_url("postgresql://u@db/x"), parse_url("sqlite:////data/x.db"), parse_url("mysql://u@db/x")

STATEMENTS = [
    ("25006", "cannot execute UPDATE in a read-only transaction", "connect to the primary"),
    ("25P03", "terminating connection due to idle-in-transaction timeout", "raise the role's idle_in_transaction"),
    (
        "22P05",
        "character with byte sequence 0xe2 in encoding UTF8 has no equivalent in LATIN1",
        "create the database with ENCODING",
    ),
    ("22023", 'invalid value for parameter "statement_timeout": "x"', "correct ?options="),
    ("42704", 'unrecognized configuration parameter "statement_timeou"', "correct ?options="),
    ("55P02", 'parameter "log_disconnections" cannot be set after connection start', "set this parameter with ALTER ROLE"),
    ("42501", "permission denied for schema public", "give the role this right"),
    ("42501", "permission denied for table operator_run_states", "give the role this right"),
    ("42P01", 'relation "operator_run_states" does not exist', "another program has changed the tables"),
    ("42703", 'column "state" does not exist', "another program has changed the tables"),
    ("53100", 'could not extend file "base/1": No space left on device', "make room on the server's volume"),
    ("53200", "out of shared memory", "give the server more of this resource"),
    ("55P03", "canceling statement due to lock timeout", "see which session holds the lock"),
    ("57014", "canceling statement due to statement timeout", "see why the server is slow"),
    ("57P01", "terminating connection due to administrator command", "wait until the server is up"),
    ("57P02", "terminating connection because of crash of another server process", "wait until the server is up"),
    ("57P05", "terminating connection due to idle-session timeout", "wait until the server is up"),
    ("58030", 'could not read file "base/1": Input/output error', "look into the server's log"),
    ("XX001", "invalid page in block 0 of relation base/1", "look into the server's log"),
    ("40001", "could not serialize access due to concurrent update", "nothing is wrong"),
    ("40P01", "deadlock detected", "nothing is wrong"),
    # PgBouncer's own errors.
    ("08P01", "transaction blocks not allowed in statement pooling mode", "this PgBouncer has pool_mode = statement"),
    ("08P01", "query_wait_timeout", "raise PgBouncer's default_pool_size"),
    ("08P01", "query_timeout", "raise PgBouncer's query_timeout"),
    ("08P01", "PQexec disallowed", "set disable_pqexec = 0"),
    ("08P01", "server conn crashed?", "see that PgBouncer reaches its server"),
    ("08P01", "server login has been failing, cached error: connect failed (server_login_retry)", "see that PgBouncer reaches"),
    ("08P01", "the pooler is shut down now: pooler is shutting down", "wait until the server is up"),
    ("08P01", "something new", ANY_REMEDY),
    ("08006", "connection failure", "see that the server runs"),
]
"""Errors of a statement, which have a SQLSTATE."""

CONNECTIONS = [
    ('server on socket "/run/postgresql/.s.PGSQL.5432" failed: No such file or directory', "see that the server runs"),
    ('server on socket "/run/postgresql/.s.PGSQL.5432" failed: Permission denied', "let the operator's user open this socket"),
    ('server at "10.0.0.1", port 5432 failed: Connection refused', "see that the server runs"),
    ('server at "10.0.0.1", port 5432 failed: No route to host', "see that the server runs"),
    ('server at "10.0.0.1", port 5432 failed: timeout expired', "see that the server runs"),
    ("connection timeout expired", "see that the server runs"),
    ("consuming input failed: server closed the connection unexpectedly", "see that the server runs"),
    ("the connection is lost", "see that the server runs"),
    ('could not translate host name "db" to address: Name or service not known', "correct the host in the URL"),
    ("failed to resolve host 'db': [Errno -2] Name or service not known", "correct the host in the URL"),
    ('FATAL:  password authentication failed for user "u"', "correct the user and the password"),
    ('FATAL:  Peer authentication failed for user "u"', "correct the user and the password"),
    ("fe_sendauth: no password supplied", "give the password"),
    ('FATAL:  role "u" does not exist', "create the role"),
    ('FATAL:  role "u" is not permitted to log in', "ALTER ROLE"),
    ('FATAL:  database "x" does not exist', "create the database"),
    ('FATAL:  permission denied for database "x"', "GRANT CONNECT"),
    ('FATAL:  database "x" is not currently accepting connections', "let the database accept connections"),
    ('FATAL:  no pg_hba.conf entry for host "10.0.0.2", user "u", database "x", no encryption', "let pg_hba.conf admit"),
    ("FATAL:  sorry, too many clients already", "see which clients hold the server's connections"),
    ("FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute", "see which clients hold"),
    ('FATAL:  too many connections for role "u"', "see which clients hold"),
    ("FATAL:  the database system is starting up", "wait until the server is up"),
    ("FATAL:  the database system is not yet accepting connections", "wait until the server is up"),
    ("FATAL:  the database system is in recovery mode", "wait until the server is up"),
    ('FATAL:  unrecognized configuration parameter "statement_timeou"', "correct ?options="),
    ("session is read-only", "connect to the primary"),
    ("server is in hot standby mode", "connect to the primary"),
    ("FATAL:  unsupported startup parameter: options", "take this parameter out of the URL"),
    ("FATAL:  unsupported options startup parameter: only '-c config=val' are allowed", "take this parameter out of the URL"),
    ("FATAL:  unsupported startup parameter in options: geqo", "take this parameter out of the URL"),
    ("FATAL:  no more connections allowed (max_client_conn)", "raise PgBouncer's limit of client connections"),
    ("FATAL:  no such database: x", "add the database to PgBouncer's [databases]"),
    ("FATAL:  no such user: u", "add the user to PgBouncer's auth_file"),
    ("FATAL:  client_login_timeout (server down)", "see that PgBouncer reaches its server"),
    ("FATAL:  server login failed: FATAL role", "see that PgBouncer reaches its server"),
    ("FATAL:  something new", ANY_REMEDY),
    ("FATAL:  SSL required", "use TLS"),
    ("SSL error: certificate verify failed", "give the CA"),
    ('root certificate file "/etc/db/ca.crt" does not exist', "mount the CA's file"),
    ('certificate file "/etc/db/tls.crt" does not exist', "mount the client's certificate"),
    ('private key file "/etc/db/tls.key" has group or world access', "mount the client's certificate"),
    ('server certificate for "a" does not match host name "b"', "connect by a name that is in the server's certificate"),
    ("server does not support SSL, but SSL was required", "let the server speak TLS"),
    ("SSL error: unexpected eof while reading; SSL SYSCALL error: EOF detected", "see that the server runs"),
    ('definition of service "x" not found', "mount the service file"),
    ('invalid connection option "foo"', "correct this part of the URL"),
    ('invalid sslmode value: "maybe"', "correct this part of the URL"),
    ('invalid integer value "x" for connection option "connect_timeout"', "correct this part of the URL"),
    ("could not match 2 port numbers to 3 hosts", "correct this part of the URL"),
]
"""Errors while connecting, which have words only."""

FILES = [
    ("unable to open database file", "create its folder"),
    ("attempt to write a readonly database", "make the file, its folder and its volume writable"),
    ("database is locked", "another process has it open"),
    ("database table is locked", "another process has it open"),
    ("database or disk is full", "make room on its volume"),
    ("file is not a database", "this file is something else"),
    ("database disk image is malformed", "the file is corrupt"),
    ("disk I/O error", "its volume fails"),
    ("no such table: operator_run_states", "another program has changed the file"),
    ("something new", ANY_REMEDY),
]


def remedy(url: Any, error: Exception) -> str:
    """Return the remedy for a driver's error."""
    return unavailable(url, OperationalError("SELECT", {}, error)).remedy


@pytest.mark.parametrize(("state", "message", "expected"), STATEMENTS)
def test_errors_of_statements(state: str, message: str, expected: str) -> None:
    """The SQLSTATE counts, whatever language the server speaks; PgBouncer's errors are known by their words."""
    error = psycopg.Error(message)
    error.sqlstate = state
    assert remedy(POSTGRES, error).startswith(expected)


@pytest.mark.parametrize(("message", "expected"), CONNECTIONS)
def test_errors_of_connections(message: str, expected: str) -> None:
    """While connecting only the words count, the specific ones first."""
    assert remedy(POSTGRES, psycopg.OperationalError(f"connection failed: connection to {message}")).startswith(expected)


@pytest.mark.parametrize(("message", "expected"), FILES)
def test_errors_of_files(message: str, expected: str) -> None:
    """SQLite's errors are about a file."""
    assert remedy(SQLITE, Exception(message)).startswith(expected)


def test_no_database_has_the_remedies_of_another() -> None:
    """A server's error never has a file's remedy, nor the reverse; a driver that we do not know has neither."""
    servers = {*STATES.values(), *CLASSES.values(), *(one for _, one in WORDS)}
    assert servers.isdisjoint(one for _, one in REMEDIES)
    for message, _ in CONNECTIONS:
        assert remedy(SQLITE, Exception(message)) not in servers
        assert remedy(OTHER, Exception(message)) == ANY_REMEDY
    for message, _ in FILES:
        assert remedy(POSTGRES, Exception(message)) not in {one for _, one in REMEDIES}


def test_every_remedy_is_tried() -> None:
    """Each row of the tables of remedies has an error above that leads to it."""
    made = []
    for state, message, _ in STATEMENTS:
        error = psycopg.Error(message)
        error.sqlstate = state
        made.append(remedy(POSTGRES, error))
    made += [
        remedy(POSTGRES, psycopg.OperationalError(f"connection failed: connection to {message}")) for message, _ in CONNECTIONS
    ]
    assert {one for _, one in WORDS} <= set(made)
