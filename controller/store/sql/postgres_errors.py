"""Remedies for errors of PostgreSQL, its client library and its poolers.

The server's errors have a SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html. Errors while connecting reach
the driver as text only, and PgBouncer's own have the SQLSTATE of a protocol violation: these are known by their words.
"""

from __future__ import annotations

import re

READ_ONLY = "25006"
PROTOCOL_VIOLATION = "08P01"
"""The SQLSTATE of PgBouncer's own errors."""

REACH = "see that the server runs, and that the URL's host and port reach it"
PASSWORD = "correct the user and the password in the URL, in PGPASSWORD or in PGPASSFILE"  # noqa: S105  # a remedy
OPTIONS = "correct ?options= in the URL, or PGOPTIONS"
REPLICA = (
    "connect to the primary: give its address, or every server's (?host=a&host=b), of which the operator takes the primary; a "
    "primary is read-only if default_transaction_read_only is on"
)
WAIT = "wait until the server is up; the operator reconnects by itself"
BUSY = "see which clients hold the server's connections (pg_stat_activity); the operator uses up to four"
CHANGED = "another program has changed the tables: restore the database from a backup, or correct search_path"
DAMAGED = "look into the server's log; its disk or its data may be damaged"
POOL = "see that PgBouncer reaches its server, and what its log reports"
FULL = "make room on the server's volume"
NO_DATABASE = "create the database, or correct its name in the URL"
NO_ROLE = "create the role, or correct the user in the URL"

STATES = {
    READ_ONLY: REPLICA,
    "22021": "create the database with ENCODING 'UTF8'",
    "22023": OPTIONS,
    "22P05": "create the database with ENCODING 'UTF8'",
    "25P03": "raise the role's idle_in_transaction_session_timeout; the operator repeats the step",
    "28000": "let pg_hba.conf admit this user from the operator's address, with or without TLS as the URL has it",
    "28P01": PASSWORD,
    "3D000": NO_DATABASE,
    "3F000": "create the schema, or correct search_path",
    "40001": "nothing is wrong: the operator repeats the step",
    "40P01": "nothing is wrong: the operator repeats the step",
    "42501": "give the role this right: let it own the database, or GRANT USAGE, CREATE ON SCHEMA public and all on its tables",
    "42703": CHANGED,
    "42704": OPTIONS,
    "42P01": CHANGED,
    "53100": FULL,
    "53300": BUSY,
    "55000": "let the database accept connections and writes; the message says what it is in",
    "55P02": "set this parameter with ALTER ROLE, and take it out of ?options= or PGOPTIONS: it cannot change in a session",
    "55P03": "see which session holds the lock (pg_locks), for example another operator at its start",
    "57014": "see why the server is slow, or which session holds its locks (pg_stat_activity)",
    "57P01": WAIT,
    "57P02": WAIT,
    "57P03": WAIT,
    "57P05": WAIT,
}
"""Remedies by SQLSTATE."""

CLASSES = {"08": REACH, "53": "give the server more of this resource", "57": WAIT, "58": DAMAGED, "XX": DAMAGED}
"""Remedies by class of SQLSTATEs, for those that are not in `STATES`."""

WORDS = (
    # PgBouncer's own.
    (
        r"transaction blocks not allowed",
        "this PgBouncer has pool_mode = statement, which has no transactions: set transaction or session for this database",
    ),
    (r"PQexec disallowed", "set disable_pqexec = 0 in PgBouncer"),
    (
        r"unsupported (options )?startup parameter",
        "take this parameter out of the URL and the operator's PG... variables: PgBouncer does not pass it to the server",
    ),
    (r"query_wait_timeout", "raise PgBouncer's default_pool_size, or see which clients hold its server connections (SHOW POOLS)"),
    (
        r"\(max_client_conn\)|client connections exceeded",
        "raise PgBouncer's limit of client connections; the operator uses up to four",
    ),
    (r"query_timeout|query timeout", "raise PgBouncer's query_timeout; the operator's own limit is statement_timeout"),
    (r"no such database", "add the database to PgBouncer's [databases], or correct its name in the URL"),
    (r"no such user|bouncer config error", "add the user to PgBouncer's auth_file, or correct it in the URL"),
    (r"server_login_retry|server login failed|server conn crashed|server DNS lookup|client_login_timeout", POOL),
    (r"pooler is (shutting|shut) down|admin forced disconnect|pause|client_idle_timeout|idle transaction timeout", WAIT),
    # TLS.
    (r"certificate verify failed", "give the CA that signed the server's certificate, ?sslrootcert=/path/ca.crt"),
    (r"root certificate file", "mount the CA's file where the URL's sslrootcert names it"),
    (r"does not match host name", "connect by a name that is in the server's certificate, or have it issued for this one"),
    (r"does not support SSL", "let the server speak TLS; ?sslmode=disable has the password and the states go in clear"),
    (r"SSL required", "use TLS: remove ?sslmode=disable from the URL"),
    (
        r"private key file|certificate file|certificate present",
        "mount the client's certificate and key where the URL or PGSSL... names it",
    ),
    # Who may connect.
    (r"no pg_hba.conf entry|pg_hba.conf rejects", STATES["28000"]),
    (r"no password supplied", "give the password in the URL, in PGPASSWORD or in PGPASSFILE"),
    (r"role \".*\" does not exist", NO_ROLE),
    (r"role \".*\" is not permitted to log in", "ALTER ROLE ... LOGIN, or correct the user in the URL"),
    (r"authentication failed|login rejected|password authentication", PASSWORD),
    (r"database \".*\" does not exist", NO_DATABASE),
    (r"permission denied for database", "GRANT CONNECT ON DATABASE ... TO the role"),
    (r"is not currently accepting connections", STATES["55000"]),
    (r"too many clients|too many connections|remaining connection slots", BUSY),
    (r"session is (not )?read-only|hot standby|server is not in", REPLICA),
    (r"unrecognized configuration parameter|invalid value for parameter|invalid command-line argument", OPTIONS),
    (r"system is (starting up|shutting down|in recovery)|not yet accepting|terminating connection|recovery mode", WAIT),
    # The URL.
    (r"definition of service|service file", "mount the service file (PGSERVICEFILE), or correct ?service= in the URL"),
    (
        r"invalid (connection|URI|integer|port|\w+ value)|not supported by|could not match",
        "correct this part of the URL or its PG... variable",
    ),
    (
        r"translate host name|name resolution|Name or service not known|No address|resolve",
        "correct the host in the URL, or the cluster's DNS",
    ),
    (r"Permission denied", "let the operator's user open this socket or file"),
    # The way to the server. A server that refuses with FATAL was reached.
    (
        r"^(?!.*FATAL).*(timed? ?out|refused|unreachable|No route|No such file|closed|reset|pipe|lost|connection|SYSCALL)",
        REACH,
    ),
)
"""Remedies by regular expressions for the message; the first match counts, so specific ones come first."""


def sqlstate(error: BaseException) -> str:
    """Return an error's SQLSTATE; empty for one without."""
    return getattr(error, "sqlstate", None) or ""


def remedy(state: str, cause: str) -> str | None:
    """Return the remedy for a SQLSTATE and a message."""
    if state in STATES:
        return STATES[state]
    if state != PROTOCOL_VIOLATION and state[:2] in CLASSES:
        return CLASSES[state[:2]]
    return next((remedy for words, remedy in WORDS if re.search(words, cause, re.IGNORECASE)), None)
