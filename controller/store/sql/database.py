"""A database, used from its own threads: SQLite from one thread over one connection, a server from several."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.pool import StaticPool

from controller.store import StoreUnavailable
from controller.store.sql import postgres_errors
from controller.store.sql.database_errors import unavailable
from controller.store.sql.server_settings import use_transaction_settings
from controller.store.sql.urls import EXAMPLES, BadStore, connect_args, file_of, hidden, is_psycopg, is_sqlite, parse_url

T = TypeVar("T")
Work = Callable[[sa.Connection], T]

SERVER_CONNECTIONS = 4
"""Connections to a database server, and threads that use them."""


class Database:
    """A database by its URL; it connects at the first transaction. SQLite's file is not changed by one that is `read_only`."""

    def __init__(self, url: str, *, read_only: bool = False) -> None:
        self.url, self._read_only = parse_url(url), read_only
        self._sqlite = is_sqlite(self.url)
        self._file = file_of(self.url) if self._sqlite else None
        self._inode: int | None = None
        self._engine: sa.Engine | None = None
        self._threads = ThreadPoolExecutor(1 if self._sqlite else SERVER_CONNECTIONS, thread_name_prefix="database")

    @property
    def name(self) -> str:
        """The URL without its secrets."""
        return hidden(self.url)

    def require_file(self) -> None:
        """Raise StoreUnavailable if the file does not exist: connecting would create it."""
        if self._file and not self._file.exists():
            raise StoreUnavailable(self.name, "there is no such file", "correct the URL, or mount its volume")

    def require_driver(self) -> None:
        """Raise BadStore if the URL needs a driver that is not installed."""
        self._connectable()

    async def run(self, work: Work[T]) -> T:
        """Run `work` in one transaction, in a thread. Raises StoreUnavailable, and IntegrityError for a duplicate row."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self.transact, work)

    def transact(self, work: Work[T]) -> T:
        """Run `work` in one transaction in this thread; see `run`."""
        try:
            engine = self._connectable()
            self._same_file()
            with engine.begin() as connection:
                return work(connection)
        except IntegrityError:
            raise
        except (SQLAlchemyError, OSError) as error:
            self._drop_connections(error)
            raise unavailable(self.url, error) from error

    async def reopen(self, work: Work[T]) -> T:
        """Reconnect and run `work`; the database file of that moment is the one in use from now on. Raises StoreUnavailable."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._reopen, work)

    async def close(self) -> None:
        """Close every connection and end the threads."""
        await asyncio.get_running_loop().run_in_executor(self._threads, self.dispose)
        self._threads.shutdown(wait=False)

    def _connectable(self) -> sa.Engine:
        """Return the engine. Raises BadStore."""
        if self._engine is None:
            try:
                self._engine = _reader(self.url) if self._read_only and self._file else _engine(self.url)
            except (ImportError, SQLAlchemyError, ValueError, TypeError):  # Their messages may repeat a part of the URL.
                raise BadStore(f"no driver for this URL is installed: install it with runwatchman, or give {EXAMPLES}") from None
        return self._engine

    def dispose(self) -> None:
        """Close every connection; the next transaction opens new ones."""
        if self._engine is not None:
            self._engine.dispose()

    def _drop_connections(self, error: Exception) -> None:
        """Close SQLite's connection after an error, since it is no longer trusted, and a server's if they lead to a replica. A
        server's pool detects broken connections itself.
        """
        if self._sqlite or postgres_errors.sqlstate(getattr(error, "orig", error)) == postgres_errors.READ_ONLY:
            self.dispose()

    def _same_file(self) -> None:
        """Raise if the open file was removed or replaced: SQLite would keep writing to a file without a name."""
        if self._file is None or self._inode is None:
            return
        try:
            is_same = self._file.stat().st_ino == self._inode
        except FileNotFoundError:
            is_same = False
        if not is_same:
            raise StoreUnavailable(self.name, "the file was removed or replaced while it was in use", "restore it")

    def _reopen(self, work: Work[T]) -> T:
        self.dispose()
        self._inode = None
        done = self.transact(work)
        self._inode = self._file.stat().st_ino if self._file else None
        return done


def _engine(url: sa.URL) -> sa.Engine:
    if not is_sqlite(url):
        pool: dict[str, Any] = {"pool_size": SERVER_CONNECTIONS, "max_overflow": 0, "pool_pre_ping": True}
        server = sa.create_engine(url, connect_args=connect_args(url), **pool)
        if is_psycopg(url):
            use_transaction_settings(server)
        return server
    engine = sa.create_engine(url, connect_args=connect_args(url), poolclass=StaticPool)
    sa.event.listen(engine, "connect", _prepare)
    sa.event.listen(engine, "begin", _begin_immediate)
    return engine


def _reader(url: sa.URL) -> sa.Engine:
    """Return an engine that cannot change SQLite's file: https://www.sqlite.org/uri.html"""
    name, query = f"file:{quote(url.database or '')}", {**url.query, "mode": "ro", "uri": "true"}
    engine = sa.create_engine(url.set(database=name, query=query), connect_args=connect_args(url), poolclass=StaticPool)
    sa.event.listen(engine, "connect", _keep_damage)
    return engine


def _keep_damage(connection: Any, _: object) -> None:
    """Read texts that are not UTF-8 with surrogates in place of their bytes: otherwise one such row would fail its whole query."""
    connection.text_factory = lambda raw: raw.decode(errors="surrogateescape")


def _prepare(connection: Any, _: object) -> None:
    """Make a save durable before it is confirmed; a crash of the node loses none."""
    connection.isolation_level = None  # Transactions are begun below.
    for pragma in ("journal_mode=WAL", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_immediate(connection: sa.Connection) -> None:
    """Take the write lock at the start: a transaction that takes it later could fail in the middle."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")
