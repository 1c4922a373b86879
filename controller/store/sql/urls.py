"""Database URLs: which are taken, how they look in messages, and what the driver needs to be told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError

from controller.errors import RunwardenError

SECRET_OPTIONS = ("password", "sslpassword", "passfile")
BUSY_SECONDS = 5.0
"""How long SQLite waits for another process's lock."""
SERVER_OPTIONS = {
    "connect_timeout": "5",
    "tcp_user_timeout": "10000",
    "keepalives_idle": "10",
    "options": "-c synchronous_commit=on -c statement_timeout=10000 -c lock_timeout=5000",
}
"""What libpq is told unless the URL says otherwise: a save is on disk when it is answered, and no request waits for ever."""


class BadStore(RunwardenError):
    """A store or ledger was named that there is not; the message says which there are."""


def parse_url(text: str) -> sa.URL:
    """Return the URL with the driver that is shipped. Raises BadStore."""
    try:
        url = sa.make_url(text)
    except (ArgumentError, ValueError) as error:
        raise BadStore(f"{text.partition('://')[0]}://...: not a database URL ({error}); give {EXAMPLES}") from error
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    return url


EXAMPLES = "sqlite:////data/runwarden.db or postgresql://user@host/database"


def hidden(url: sa.URL) -> str:
    """Return the URL as messages may show it."""
    query = {key: "***" if key in SECRET_OPTIONS else value for key, value in url.query.items()}
    return url.set(query=query).render_as_string(hide_password=True)


def secrets_of(url: sa.URL) -> list[str]:
    """Return what must never stand in a message."""
    found = [str(url.password or ""), *(str(url.query.get(key, "")) for key in SECRET_OPTIONS)]
    return [secret for secret in found if secret]


def is_sqlite(url: sa.URL) -> bool:
    """Whether the URL leads to a file rather than to a server."""
    return url.get_backend_name() == "sqlite"


def file_of(url: sa.URL) -> Path | None:
    """Return SQLite's file; None for a database in memory."""
    return Path(url.database) if url.database and url.database != ":memory:" else None


def connect_args(url: sa.URL) -> dict[str, Any]:
    """Return what the driver is told beside the URL."""
    if is_sqlite(url):
        return {"check_same_thread": False} | ({} if "timeout" in url.query else {"timeout": BUSY_SECONDS})
    if url.get_backend_name() == "postgresql":
        return {key: value for key, value in SERVER_OPTIONS.items() if key not in url.query}
    return {}
