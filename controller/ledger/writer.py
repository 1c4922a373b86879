"""Writes decisions to a database from a thread of its own. The operator never waits for it and never fails by it.

What the bounded queue or the database cannot take is dropped, counted, and told once until it works again.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Self

import sqlalchemy as sa
import structlog

from controller.conditions import format_time
from controller.ledger.entry import Entry, Limits
from controller.ledger.tables import decisions, metadata, row_of
from controller.metrics import Metrics
from controller.store.sql.database import Database

log = structlog.get_logger(__name__)

QUEUE_LIMIT = 1000
"""Decisions that may wait to be written: a snapshot is some 10 KB."""
BATCH = 100
"""Decisions written in one transaction."""
PRUNE_EVERY = 1000
"""After how many decisions the oldest are deleted; so many more than allowed may be there meanwhile."""
PRUNE_AFTER = timedelta(hours=1)
"""And after how long at the latest, when the next decision comes."""
REST_SECONDS = 5.0
"""How long a database that failed is left alone."""
CLOSE_SECONDS = 5.0
"""How long the end may take to write what waits."""


class Ledger:
    """Decisions in the database of a URL, bounded by age and number."""

    def __init__(self, url: str, limits: Limits, metrics: Metrics, now: Callable[[], datetime]) -> None:
        self._database = Database(url)
        self._database.require_driver()
        self._limits, self._metrics, self._now = limits, metrics, now
        self._waiting: deque[Entry] = deque()
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._write_all, name="ledger", daemon=True)
        self._unpruned, self._pruned_at = 0, datetime.min.replace(tzinfo=UTC)
        self._ready = False
        self._silent = False

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Write what waits, if that takes no long time."""
        self._closing.set()
        with self._changed:
            self._changed.notify()
        self._thread.join(CLOSE_SECONDS)

    def record(self, entry: Entry) -> None:
        """Have a decision written, some time. Never waits, never raises."""
        with self._changed:
            full = len(self._waiting) >= QUEUE_LIMIT
            if not full:
                self._waiting.append(entry)
                self._changed.notify()
        if full:
            self._drop(1, f"{QUEUE_LIMIT} decisions wait already")

    def _write_all(self) -> None:
        """Write until closed and nothing waits any more."""
        while batch := self._next_batch():
            try:
                self._database.transact(partial(self._write, batch))
            # An entry may fail outside of SQLAlchemy's errors: a number too large for SQLite, text or depth that JSON cannot hold.
            except Exception as error:  # noqa: BLE001  # it costs its batch, is counted and told; the thread goes on
                self._drop(len(batch), str(error))
                self._closing.wait(REST_SECONDS)
            else:
                self._written(len(batch))
        self._database.dispose()

    def _next_batch(self) -> list[Entry]:
        """Wait for decisions; none means that the ledger was closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing.is_set())
            return [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]

    def _write(self, batch: list[Entry], connection: sa.Connection) -> None:
        if not self._ready:
            metadata.create_all(connection)
        connection.execute(sa.insert(decisions), [row_of(entry) for entry in batch])
        self._unpruned += len(batch)
        if self._unpruned >= PRUNE_EVERY or self._now() - self._pruned_at > PRUNE_AFTER:
            self._prune(connection)

    def _prune(self, connection: sa.Connection) -> None:
        oldest = format_time(self._now() - self._limits.age)
        last = connection.execute(sa.select(sa.func.max(decisions.c.id))).scalar_one()
        connection.execute(sa.delete(decisions).where((decisions.c.at < oldest) | (decisions.c.id <= last - self._limits.rows)))
        self._unpruned, self._pruned_at = 0, self._now()

    def _written(self, count: int) -> None:
        self._ready = True
        self._metrics.ledger_written.inc(count)
        if self._silent:
            self._silent = False
            log.info("the ledger takes decisions again", ledger=self._database.name)

    def _drop(self, count: int, why: str) -> None:
        self._metrics.ledger_dropped.inc(count)
        if not self._silent:
            self._silent = True
            log.warning("the ledger drops decisions", ledger=self._database.name, error=why)
