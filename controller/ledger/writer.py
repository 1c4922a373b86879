"""Writes decisions to a database in its own thread. The operator never waits for it and never fails because of it.

Decisions that the bounded queue or the database cannot take are dropped and counted. The first drop is logged, and the recovery.
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
from controller.ledger.entry import SEEN, Entry, Limits, entry_of
from controller.ledger.situations import Situation
from controller.ledger.tables import OUTCOME_BYTES, PLAN_BYTES, SNAPSHOT_BYTES, UNKNOWN_BYTES, decisions, prepare, row_of
from controller.ledger.waiting import Waiting
from controller.observability.metrics import Metrics
from controller.store.sql.database import Database

log = structlog.get_logger(__name__)

Item = Entry | Situation
"""What waits to be written. A situation becomes an entry in the ledger's thread."""

QUEUE_LIMIT = 1000
"""Maximum queued decisions. A snapshot has about 10 KB."""
QUEUE_BYTES = 16 * 2**20
"""Approximate maximum bytes of queued decisions."""
BATCH = 100
"""Decisions written in one transaction."""
PRUNE_EVERY = 1000
"""Decisions between two prunes. The ledger may exceed its limit by this number meanwhile."""
PRUNE_BYTES = 32 * 2**20
"""Bytes between two prunes."""
PRUNE_AFTER = timedelta(hours=1)
"""Longest time between two prunes, checked when the next decision is written."""
REST_SECONDS = 5.0
"""Pause after a failure of the database."""
NOT_JSON = (ArithmeticError, RecursionError, TypeError, ValueError)
"""Exceptions of an entry that JSON or UTF-8 cannot represent."""
CLOSE_SECONDS = 5.0
"""Time on shutdown to write the queued decisions."""


class Ledger:
    """A ledger in the database of a URL, bounded by age, rows and bytes."""

    def __init__(self, url: str, limits: Limits, metrics: Metrics, now: Callable[[], datetime]) -> None:
        self._database = Database(url)
        self._database.require_driver()
        self._limits, self._metrics, self._now = limits, metrics, now
        self._waiting = Waiting[Item](QUEUE_LIMIT, QUEUE_BYTES)
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._write_all, name="ledger", daemon=True)
        self._unpruned, self._unpruned_bytes, self._pruned_at = 0, 0, datetime.min.replace(tzinfo=UTC)
        self._ready = False
        self._dropping = False

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Write the queued decisions, as far as CLOSE_SECONDS allow."""
        self._closing.set()
        with self._changed:
            self._changed.notify()
        self._thread.join(CLOSE_SECONDS)

    def record(self, item: Item) -> None:
        """Queue a decision, or a situation, which costs nothing more here. Never waits, never raises."""
        small, size = _bounded(item) if isinstance(item, Entry) else (item, _weight(item))
        with self._changed:
            dropped = self._waiting.put(small, size)
            self._changed.notify()
        if dropped:
            self._drop(dropped, f"{len(self._waiting)} decisions are queued already")

    def _write_all(self) -> None:
        """Write until the ledger is closed and the queue is empty."""
        while batch := self._next_batch():
            rows: list[dict[str, Any]] = []
            try:
                if rows := self._rows(batch):
                    self._database.transact(partial(self._write, rows))
                    self._written(len(rows))
            # Drivers raise errors of their own, such as OverflowError for a number too large for SQLite.
            except Exception as error:  # noqa: BLE001  # the batch is dropped, counted and logged; a thread that ended would lose all
                self._drop(len(rows or batch), str(error))
                self._closing.wait(REST_SECONDS)
        self._database.dispose()

    def _next_batch(self) -> list[Item]:
        """Wait for decisions. An empty batch means that the ledger was closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing.is_set())
            return self._waiting.take(BATCH)

    def _rows(self, batch: list[Item]) -> list[dict[str, Any]]:
        """Return the rows of a batch. An entry that cannot be converted is dropped alone."""
        rows = []
        for item in batch:
            try:
                rows.append(row_of(item if isinstance(item, Entry) else _entry_of(item)))
            except NOT_JSON as error:
                self._drop(1, f"{type(error).__name__} in an entry of {item.namespace}/{item.run}")
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
        if self._dropping:
            self._dropping = False
            log.info("the ledger writes decisions again", ledger=self._database.name)

    def _drop(self, count: int, why: str) -> None:
        self._metrics.ledger_dropped.inc(count)
        if not self._dropping:
            self._dropping = True
            log.warning("the ledger drops decisions", ledger=self._database.name, error=why)


def _entry_of(seen: Situation) -> Entry:
    return _bounded(entry_of(seen.snapshot, seen.plan, (), "", seen.at, SEEN))[0]


def _weight(seen: Situation) -> int:
    """Return the approximate bytes that a queued situation keeps in memory. Only a Run's spec may be large."""
    spec = seen.snapshot.run.spec
    return UNKNOWN_BYTES + (len(spec.model_dump_json()) if spec else 0)


def _bounded(entry: Entry) -> tuple[Entry, int]:
    """Return an entry within a row's limits, and its approximate bytes, so that queued entries never exceed the size of rows."""
    snapshot = clip(entry.snapshot, SNAPSHOT_BYTES)
    plan, outcome = clip(entry.plan, PLAN_BYTES), clip(entry.outcome, OUTCOME_BYTES)
    size = weigh(snapshot, SNAPSHOT_BYTES) + weigh(plan, PLAN_BYTES) + weigh(outcome, OUTCOME_BYTES)
    return replace(entry, snapshot=snapshot, plan=plan, outcome=outcome), size
