"""Creates the store of a `--store` value."""

from __future__ import annotations

from controller.errors import RunwatchmanError
from controller.kube.client import Client
from controller.store import Store
from controller.store.annotation_store import AnnotationStore
from controller.store.status_store import StatusStore

SCHEMES = ("sqlite", "postgresql", "postgres", "postgresql+psycopg")
OTHERS = ("mysql", "mariadb", "oracle", "mssql", "mongodb", "redis", "http", "https", "file")
"""Schemes that a message may repeat; any other text may be part of a password."""
CHOICES = "status, annotations, sqlite:////PATH/runwatchman.db or postgresql://USER@HOST/DATABASE"


class UnknownStore(RunwatchmanError):
    """The store does not exist; the message lists the choices."""


def check_store_name(name: str) -> str:
    """Return the name of a store unchanged. Raises UnknownStore, whose message repeats nothing that may be part of a password."""
    scheme, found, rest = name.partition("://")
    if name in ("status", "annotations"):
        return name
    if not found:
        raise UnknownStore(f"unknown store: choose {CHOICES}")
    if scheme not in SCHEMES:
        kind = f"a {scheme!r} database" if scheme in OTHERS else "a database of this scheme"
        raise UnknownStore(f"a store cannot be {kind}: choose {CHOICES}")
    if scheme == "sqlite" and (not rest.strip("/") or ":memory:" in rest):
        raise UnknownStore("a store in memory would forget every Run at a restart: name a file, sqlite:////PATH/runwatchman.db")
    return name


def make_store(name: str, client: Client, *, even_if_migrated: bool = False) -> Store:
    """Return the store of a name, not yet open. Raises UnknownStore or BadStore."""
    check_store_name(name)
    if name == "status":
        return StatusStore(client)
    if name == "annotations":
        return AnnotationStore(client)
    from controller.store.sql.database import Database  # SQLAlchemy costs time and memory: import it only for a database.
    from controller.store.sql.sql_store import SqlStore

    return SqlStore(Database(name), client, even_if_migrated=even_if_migrated)
