"""The SQL of docs/stores.md runs on the real tables."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

from controller.ledger.writer import Ledger
from controller.observability.metrics import Metrics
from controller.store.sql.sql_store import SqlStore
from tests.stores import NOW
from tests.unit.stores.test_ledger import ENTRY, LIMITS

ROOT = Path(__file__).parents[3]
OF_THE_STORE, OF_THE_LEDGER = re.findall(r"```sql\n(.*?)```", (ROOT / "docs/stores.md").read_text(), re.DOTALL)


def queried(file: Path, script: str) -> int:
    """Run each query of a script and return their number."""
    queries = [query for query in script.split(";") if "SELECT" in query]
    with closing(sqlite3.connect(file)) as database:
        for query in queries:
            database.execute(query).fetchall()
    return len(queries)


def test_the_stores_queries(store: SqlStore, tmp_path: Path) -> None:
    """The queries for stores run and return rows."""
    assert queried(tmp_path / "states.db", OF_THE_STORE) == OF_THE_STORE.count("--")


def test_the_ledgers_query(tmp_path: Path) -> None:
    """The query for the ledger runs too."""
    with Ledger(f"sqlite:///{tmp_path}/l.db", LIMITS, Metrics(), lambda: NOW) as ledger:
        ledger.record(ENTRY)
    assert queried(tmp_path / "l.db", OF_THE_LEDGER) == 1
