"""What was fitted to a ledger, as JSON and as text: each figure with its data, and which ones are defaults."""

from __future__ import annotations

from collections.abc import Iterator

from controller.api.base import JsonObject
from controller.simulation.fit import Fit
from controller.simulation.table import aligned

DEFAULT = "default"


def fit_document(fit: Fit) -> JsonObject:
    """Return the fit as a JSON object; the scenario itself stands beside it."""
    figures = [
        {
            "field": each.field,
            "source": DEFAULT if each.is_default else "ledger",
            "shown": each.shown,
            "data": each.data,
            **({} if each.figure is None else {"value": each.figure.value, "low": each.figure.low, "high": each.figure.high}),
        }
        for each in fit.figures
    ]
    counts = {"runs": fit.runs, "earlierRuns": fit.earlier, "decisions": fit.rows, "unreadable": fit.unreadable}
    return {**counts, "figures": figures}


def fit_lines(fit: Fit) -> Iterator[str]:
    """Yield what was fitted, one line for each figure."""
    yield fit_heading(fit)
    yield from aligned([[f"  {each.field}", each.shown or DEFAULT, each.data] for each in fit.figures])
    yield ""


def fit_heading(fit: Fit) -> str:
    """Return in one line how much of the ledger was read, and how much of the scenario that shows."""
    unreadable = f", {fit.unreadable:,} of them unreadable" if fit.unreadable else ""
    earlier = f", {fit.earlier:,} older Runs left out" if fit.earlier else ""
    counted = f"{fit.runs:,} Runs ({fit.rows:,} decisions{unreadable}{earlier})"
    known = sum(not each.is_default for each in fit.figures)
    return f"Scenario fitted to {counted}: {known} of {len(fit.figures)} figures are the ledger's, the rest are defaults"
