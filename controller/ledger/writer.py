"""Writes decisions to a database from a thread of its own. The operator never waits for it and never fails by it.

What the bounded queue or the database cannot take is dropped, counted, and told once until it works again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Self

import sqlalchemy as sa
import structlog

from controller.ledger import pruning
from controller.ledger.bounds import clip, weigh
from controller.ledger.entry import Entry, Limits
from controller.ledger.tables import OUTCOME_BYTES, PLAN_BYTES, SNAPSHOT_BYTES, decisions, prepare, row_of
from controller.ledger.waiting import Waiting
from controller.observability.metrics import Metrics
from controller.store.sql.database import Database

log = structlog.get_logger(__name__)

QUEUE_LIMIT = 1000
"""Decisions that may wait to be written: a snapshot is some 10 KB."""
QUEUE_BYTES = 16 * 2**20
"""And about how many bytes of them."""
BATCH = 100
"""Decisions written in one transaction."""
PRUNE_EVERY = 1000
"""After how many decisions the oldest are deleted; so many more than allowed may be there meanwhile."""
PRUNE_BYTES = 32 * 2**20
"""And after how many bytes."""
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
        self._waiting = Waiting(QUEUE_LIMIT, QUEUE_BYTES)
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._write_all, name="ledger", daemon=True)
        self._unpruned, self._unpruned_bytes, self._pruned_at = 0, 0, datetime.min.replace(tzinfo=UTC)
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
        small, size = _bounded(entry)
        with self._changed:
            dropped = self._waiting.put(small, size)
            self._changed.notify()
        if dropped:
            self._drop(dropped, f"{len(self._waiting)} decisions wait already")

    def _write_all(self) -> None:
        """Write until closed and nothing waits any more."""
        while batch := self._next_batch():
            if not (rows := self._rows(batch)):
                continue
            try:
                self._database.transact(partial(self._write, rows))
            # A row may fail outside of SQLAlchemy's errors: a number too large for SQLite.
            except Exception as error:  # noqa: BLE001  # it costs its batch, is counted and told; the thread goes on
                self._drop(len(rows), str(error))
                self._closing.wait(REST_SECONDS)
            else:
                self._written(len(rows))
        self._database.dispose()

    def _next_batch(self) -> list[Entry]:
        """Wait for decisions; none means that the ledger was closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing.is_set())
            return self._waiting.take(BATCH)

    def _rows(self, batch: list[Entry]) -> list[dict[str, Any]]:
        """Return the rows of a batch. An entry that cannot be one costs itself alone."""
        rows = []
        for entry in batch:
            try:
                rows.append(row_of(entry))
            except Exception as error:  # noqa: BLE001  # what JSON cannot hold: counted and told, and the others are written
                self._drop(1, f"{type(error).__name__} in an entry of {entry.namespace}/{entry.run}")
        return rows

    def _write(self, rows: list[dict[str, Any]], connection: sa.Connection) -> None:
        if not self._ready:
            prepare(connection)
        connection.execute(sa.insert(decisions), rows)
        self._unpruned += len(rows)
        self._unpruned_bytes += sum(row["bytes"] for row in rows)
        late = self._now() - self._pruned_at > PRUNE_AFTER
        if late or self._unpruned >= PRUNE_EVERY or self._unpruned_bytes >= PRUNE_BYTES:
            pruning.prune(connection, self._limits, self._now())
            self._unpruned, self._unpruned_bytes, self._pruned_at = 0, 0, self._now()

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


def _bounded(entry: Entry) -> tuple[Entry, int]:
    """Return an entry within a row's bounds, and about its bytes: what waits costs no more than what is written."""
    snapshot = clip(entry.snapshot, SNAPSHOT_BYTES)
    plan, outcome = clip(entry.plan, PLAN_BYTES), clip(entry.outcome, OUTCOME_BYTES)
    size = weigh(snapshot, SNAPSHOT_BYTES) + weigh(plan, PLAN_BYTES) + weigh(outcome, OUTCOME_BYTES)
    return replace(entry, snapshot=snapshot, plan=plan, outcome=outcome), size
