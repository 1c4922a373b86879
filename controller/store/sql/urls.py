"""Database URLs: which are accepted, how messages show them, and the driver's options.

A URL holds a password, and a mistyped URL may hold it anywhere: no part of a refused text is repeated.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus, unquote

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError

from controller.errors import RunwatchmanError
from controller.store.sql.server_settings import startup_options
from controller.store.sql.tls import hosts_of, tls_options

_HARMLESS, _NUMBER, _WORD = re.compile(r"[\w./:,-]*"), re.compile(r"\d+(\.\d+)?"), re.compile(r"[a-z-]+")
SHOWN_OPTIONS = {
    **dict.fromkeys(("host", "hostaddr", "sslrootcert", "application_name"), _HARMLESS),
    **dict.fromkeys(("connect_timeout", "timeout", "port"), _NUMBER),
    **dict.fromkeys(("sslmode", "target_session_attrs"), _WORD),
}
"""Options of a URL that messages may show, and the format of their values; every other value may be a secret or a part of one."""
BUSY_SECONDS = 5.0
"""How long SQLite waits for another process's lock."""
SERVER_OPTIONS = {
    "connect_timeout": "5",
    "tcp_user_timeout": "10000",
    "keepalives_idle": "10",
}
"""libpq options unless the URL sets them: no request waits for ever."""
EXAMPLES = "sqlite:////data/runwatchman.db or postgresql://user@host/database"
UNREADABLE = (
    f"not a database URL (its text is not repeated here, since it may hold a password): give {EXAMPLES}; "
    "for several servers postgresql://user@/database?host=a:5432&host=b:5432"
)
ENCODE = "percent-encode the characters @ : / ? # % and spaces in user and password, or leave the password to PGPASSWORD"

_HOST = re.compile(r"[A-Za-z0-9._:%,-]*")
_DATABASE = re.compile(r"[^@:\s]*")
_NAME = re.compile(r"[\w.-]*")


class BadStore(RunwatchmanError):
    """The store or ledger does not exist; the message lists the choices."""


def parse_url(text: str) -> sa.URL:
    """Return the URL with the bundled driver. Raises BadStore, whose message repeats no part of an unreadable text."""
    try:
        url = sa.make_url(text)
    except (ArgumentError, ValueError):
        raise BadStore(f"{UNREADABLE}; {ENCODE}") from None  # The cause may repeat a part of the text.
    _require_plain(url, text)
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    return _with_socket(url) if url.host and url.host.lower().startswith("%2f") else url


def _with_socket(url: sa.URL) -> sa.URL:
    """Return a URL whose host is a socket's folder, percent-encoded as libpq accepts it, with the folder as an option."""
    query = {**url.query, "host": unquote(url.host or "")}
    return sa.URL.create(url.drivername, url.username, url.password, None, url.port, url.database, query)


def _require_plain(url: sa.URL, text: str) -> None:
    """Refuse a URL with implausible parts: they may hold a part of a password that was not encoded."""
    if is_sqlite(url):
        if url.host or url.username or url.password:
            raise BadStore(f"{UNREADABLE}; a file has three slashes before a relative path, and four before an absolute one")
        return
    if text.count("@") > 1 or not _HOST.fullmatch(url.host or "") or not _DATABASE.fullmatch(url.database or ""):
        raise BadStore(f"{UNREADABLE}; it has more than one @, or an impossible host or database name: {ENCODE}")


def hidden(url: sa.URL) -> str:
    """Return the URL as messages may show it."""
    query = {key: value if _is_shown(key, value) else "***" for key, value in url.query.items()}
    user = url.username if _NAME.fullmatch(url.username or "") else "***"
    shown = url.set(query=query, username=user).render_as_string(hide_password=True)
    return shown.replace(quote_plus("***"), "***")


def _is_shown(option: str, value: str | tuple[str, ...]) -> bool:
    return option in SHOWN_OPTIONS and isinstance(value, str) and SHOWN_OPTIONS[option].fullmatch(value) is not None


def secrets_of(url: sa.URL) -> list[str]:
    """Return the texts that no message may contain, in every encoding; longer ones first."""
    given = [url.password or "", *(value for key, value in url.query.items() if not _is_shown(key, value))]
    given += [] if _NAME.fullmatch(url.username or "") else [url.username or ""]
    plain = [one for value in given for one in ([value] if isinstance(value, str) else value)]
    ways = {
        way for secret in plain for way in (secret, quote(secret), quote(secret, safe=""), quote_plus(secret), repr(secret)[1:-1])
    }
    return sorted(filter(None, ways), key=len, reverse=True)


def is_sqlite(url: sa.URL) -> bool:
    """Whether the URL leads to a file rather than to a server."""
    return url.get_backend_name() == "sqlite"


def is_psycopg(url: sa.URL) -> bool:
    """Whether the URL leads to PostgreSQL by the bundled driver."""
    return url.get_backend_name() == "postgresql" and url.get_driver_name() == "psycopg"


def file_of(url: sa.URL) -> Path | None:
    """Return SQLite's file; None for a database in memory."""
    return Path(url.database) if url.database and url.database != ":memory:" else None


def connect_args(url: sa.URL) -> dict[str, Any]:
    """Return the driver's options that are not in the URL."""
    if is_sqlite(url):
        return {"check_same_thread": False} | ({} if "timeout" in url.query else {"timeout": BUSY_SECONDS})
    if url.get_backend_name() != "postgresql":
        return {}
    ours = SERVER_OPTIONS | _primary_of(url)
    missing = {key: value for key, value in ours.items() if key not in url.query}
    return missing | tls_options(url) | (_for_poolers(url) if is_psycopg(url) else {})


def _primary_of(url: sa.URL) -> dict[str, str]:
    """Return the option to take the primary of several servers; libpq itself takes the first that answers, replica or not."""
    several = len(hosts_of(url)) > 1 and "PGTARGETSESSIONATTRS" not in os.environ
    return {"target_session_attrs": "read-write"} if several else {}


def _for_poolers(url: sa.URL) -> dict[str, Any]:
    """Return the options of sessions that a pooler may share: no prepared statements, and no parameters that it does not pass."""
    return {"prepare_threshold": None, "options": startup_options(url)}
