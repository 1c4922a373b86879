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
from controller.ledger.entry import ACTED
from controller.ledger.tables import decisions
from controller.store import StoreUnavailable
from controller.store.sql.database import Database
from controller.store.sql.urls import BadStore

PAGE = 200
"""Rows of one page. A row has about 10 KB and at most 97 KiB."""

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
    """One row; `snapshot`, `plan` and `outcome` are JSON texts, as they are stored. `at` is in whole seconds.

    Its `kind` is `acted` for a pass that acted, or `seen` for a distinct situation in which nothing was due (`situations`).
    """

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
        columns, last = database.transact(_columns), 0
        while page := _page(database, columns, selection, last):
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


def _columns(connection: sa.Connection) -> list[Any]:
    """Return the columns of a row, in the order of its fields. Older writers have no kind: all their rows acted."""
    present = {column["name"] for column in sa.inspect(connection).get_columns(decisions.name)}
    kind = sa.func.coalesce(decisions.c.kind, ACTED) if decisions.c.kind.name in present else sa.literal(ACTED)
    return [decisions.c.id, decisions.c.at, *(decisions.c[name] for name in TEXTS), kind]


def _page(database: Database, columns: list[Any], selection: Selection, last: int) -> list[Row | DamagedRow]:
    """Return the rows after an ID. If a part of the file is damaged, they are read one by one."""
    after = (decisions.c.id > last, *_conditions(selection))
    try:
        return [_row(raw) for raw in database.transact(partial(_select, columns, after))]
    except StoreUnavailable:
        found = database.transact(partial(_select, [decisions.c.id], after))
        return [_single(database, columns, int(number)) for (number,) in found]


def _single(database: Database, columns: list[Any], number: int) -> Row | DamagedRow:
    """Return one row of a damaged page. Raises StoreUnavailable if the database fails as a whole."""
    this = (decisions.c.id == number,)
    try:
        return _row(database.transact(partial(_select, columns, this))[0])
    except (StoreUnavailable, IndexError) as error:
        database.transact(partial(_select, [decisions.c.id], this))
        return DamagedRow(number, error.cause if isinstance(error, StoreUnavailable) else "it was deleted meanwhile")


def _select(columns: list[Any], conditions: tuple[Any, ...], connection: sa.Connection) -> list[Any]:
    query = sa.select(*columns).where(*conditions).order_by(decisions.c.id).limit(PAGE)
    return list(connection.execute(query).all())


def _row(raw: Any) -> Row | DamagedRow:
    number, at, *texts = raw
    wrong = next((name for name, text in zip((*TEXTS, "kind"), texts, strict=True) if not _is_text(text)), "")
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
