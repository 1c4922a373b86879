"""The page of all Runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from controller.cli.web.run_rows import FILTERS, Selection, selection_of, table_page
from controller.cli.web.visit import Page, Visit


async def model(visit: Visit) -> Mapping[str, Any]:
    """Return the table, its filters, and how much of it is still to come."""
    selection = selection_of(visit.query)
    watched = await visit.runs()
    table = table_page(watched.entries.values(), selection)
    return {
        "table": table,
        "now": visit.now,
        "filters": FILTERS,
        "loading": None if watched.complete else len(watched.entries),
        "expected": len(watched.entries) + (watched.remaining or 0),
        "earlier": _url(table.selection, -1) if table.selection.number > 1 else "",
        "later": _url(table.selection, 1) if table.selection.number < table.pages else "",
    }


def _url(selection: Selection, step: int) -> str:
    return "/?" + urlencode({**selection.wanted, "page": selection.number + step})


PAGE = Page("/", "Runs", "runs.html", "runs_live.html", model)
