"""Reads a ledger's rows for replay and statistics. It changes nothing, and holds one page of rows at a time.

A row that cannot be read costs only itself: it is yielded as a `DamagedRow`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

import sqlalchemy as sa

from controller.api.timestamps import format_time, parse_time
from controller.ledger.tables import decisions
from controller.store import StoreUnavailable
from controller.store.sql.database import Database
from controller.store.sql.urls import BadStore

PAGE = 200
"""Rows of one page. A row has about 10 KB and at most 97 KiB."""
ACTED = "acted"
"""The kind of a row about a pass that acted."""

TEXTS = ("namespace", "run", "run_uid", "rule", "phase", "reason", "digest", "snapshot", "plan", "outcome")
"""The columns that hold texts, in the order of the fields of `Row`."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The rows to read: from `since` (included) to `until` (excluded), of one namespace, of Runs of one name. Empty means all."""

    since: datetime | None = None
    until: datetime | None = None
    namespace: str = ""
    run: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One row; `snapshot`, `plan` and `outcome` are JSON texts, as they are stored. `at` is in whole seconds."""

    id: int
    at: datetime
    namespace: str
    run: str
    uid: str
    rule: str
    phase: str
    reason: str
    digest: str
    snapshot: str
    plan: str
    outcome: str
    kind: str = ACTED


@dataclass(frozen=True, slots=True)
class DamagedRow:
    """A row that cannot be read, and the reason."""

    id: int
    problem: str


def read(url: str, selection: Selection = Selection()) -> Iterator[Row | DamagedRow]:
    """Yield the selected rows in the order of their IDs.

    Raises BadStore for a URL that leads to no ledger, and StoreUnavailable for a database that cannot be read.
    """
    with _opened(url) as database:
        last = 0
        while page := _page(database, selection, last):
            yield from page
            last = page[-1].id


class Extent(NamedTuple):
    """The number of rows, and the first and the last time as they are stored; empty without rows."""

    rows: int
    first: str
    last: str


def extent(url: str, selection: Selection = Selection()) -> Extent:
    """Return the extent of the selected rows. Raises as `read`."""
    query = sa.select(sa.func.count(), sa.func.min(decisions.c.at), sa.func.max(decisions.c.at)).where(*_conditions(selection))
    with _opened(url) as database:
        rows, first, last = database.transact(lambda connection: connection.execute(query).one())
        return Extent(int(rows), str(first or ""), str(last or ""))


def count(url: str, selection: Selection = Selection()) -> int:
    """Return the number of selected rows. Raises as `read`."""
    return extent(url, selection).rows


@contextmanager
def _opened(url: str) -> Iterator[Database]:
    """Open the database of a ledger for reading, and close it at the end."""
    database = Database(url, read_only=True)
    database.require_driver()
    database.require_file()
    try:
        if not database.transact(lambda connection: sa.inspect(connection).has_table(decisions.name)):
            raise BadStore(
                f"{database.name} has no ledger (no table {decisions.name}): give the URL of the operator's --ledger; "
                "the operator creates the table with its first decision"
            )
        yield database
    finally:
        database.dispose()


def _conditions(selection: Selection) -> Iterator[sa.ColumnElement[bool]]:
    if selection.since:
        yield decisions.c.at >= format_time(selection.since)
    if selection.until:
        yield decisions.c.at < format_time(selection.until)
    if selection.namespace:
        yield decisions.c.namespace == selection.namespace
    if selection.run:
        yield decisions.c.run == selection.run


def _page(database: Database, selection: Selection, last: int) -> list[Row | DamagedRow]:
    """Return the rows after an ID. If a part of the file is damaged, they are read one by one."""
    after = (decisions.c.id > last, *_conditions(selection))
    try:
        return [_row(raw) for raw in database.transact(partial(_select, COLUMNS, after))]
    except StoreUnavailable:
        found = database.transact(partial(_select, [decisions.c.id], after))
        return [_single(database, int(number)) for (number,) in found]


def _single(database: Database, number: int) -> Row | DamagedRow:
    """Return one row of a damaged page. Raises StoreUnavailable if the database fails as a whole."""
    this = (decisions.c.id == number,)
    try:
        return _row(database.transact(partial(_select, COLUMNS, this))[0])
    except (StoreUnavailable, IndexError) as error:
        database.transact(partial(_select, [decisions.c.id], this))
        return DamagedRow(number, error.cause if isinstance(error, StoreUnavailable) else "it was deleted meanwhile")


def _select(columns: list[Any], conditions: tuple[Any, ...], connection: sa.Connection) -> list[Any]:
    query = sa.select(*columns).where(*conditions).order_by(decisions.c.id).limit(PAGE)
    return list(connection.execute(query).all())


COLUMNS = [decisions.c.id, decisions.c.at, *(decisions.c[name] for name in TEXTS)]


def _row(raw: Any) -> Row | DamagedRow:
    number, at, *texts = raw
    wrong = next((name for name, text in zip(TEXTS, texts, strict=True) if not _is_text(text)), "")
    if wrong:
        return DamagedRow(number, f"{wrong} is not a text")
    try:
        moment = parse_time(at)
    except (TypeError, ValueError):
        moment = None
    return Row(number, moment, *texts) if moment else DamagedRow(number, "at is not a time")


def _is_text(value: Any) -> bool:
    """Whether a value is a text of valid UTF-8: SQLite stores any value in any column."""
    return isinstance(value, str) and (value.isascii() or SURROGATE.search(value) is None)


SURROGATE = re.compile("[\ud800-\udfff]")
"""A character that stands for a byte that is not UTF-8."""
