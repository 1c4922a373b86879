"""Pure: a table of Providers."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from rich.text import Text

from controller.cli.rw.objects import JsonObject, name_of, namespace_of, status_of, time_of
from controller.cli.rw.table_format import table
from controller.cli.rw.text import Cell, until

HEADER = ("NAME", "STATE", "UNTIL", "ACTIVE", "WAITING", "WHY")


def providers_table(providers: Iterable[JsonObject], now: datetime, width: int | None, *, spaces: bool) -> Text:
    """Return a line for each Provider. The used part of budgets is shown if any Provider has some."""
    found = list(providers)
    shown = any(status_of(each).get("windows") for each in found)
    header = (*(("NAMESPACE",) if spaces else ()), *HEADER[:-1], *(("BUDGETS",) if shown else ()), HEADER[-1])
    rows: list[list[Cell]] = []
    for each in found:
        *row, reason = _row(each, now)
        rows.append([*([namespace_of(each)] if spaces else []), *row, *([used(each)] if shown else []), reason])
    return table(header, rows, width)


def _row(provider: JsonObject, now: datetime) -> list[Cell]:
    status, most = status_of(provider), provider.get("spec", {}).get("maxActiveAgents")
    closed = state_of(status) == "Closed" and status.get("closedUntil")
    active = f"{status.get('activeAgents', 0)}{f'/{most}' if most else ''}"
    return [
        name_of(provider),
        state_of(status),
        until(time_of(status["closedUntil"]), now) if closed else "-",
        active,
        str(status.get("waitingAgents", 0)),
        why(status),
    ]


def used(provider: JsonObject) -> str:
    """Return how much of each budget is used in its window, by the limit that is used most."""
    windows = {window["budget"]: window for window in status_of(provider).get("windows", ())}
    budgets = [budget for budget in provider.get("spec", {}).get("budgets", ()) if budget["name"] in windows]
    return ", ".join(f"{budget['name']} {_percent(budget, windows[budget['name']])} %" for budget in budgets) or "-"


def _percent(budget: JsonObject, window: JsonObject) -> int:
    limits = (("tokens", "extraTokens"), ("costMicroUSD", "extraCostMicroUSD"))
    shares = [window.get(unit, 0) * 100 // (budget[unit] + window.get(extra, 0)) for unit, extra in limits if budget.get(unit)]
    return max(shares, default=0)


def state_of(status: JsonObject) -> str:
    """Return a provider's state. One that the operator cannot read has no other."""
    return "Unreadable" if _refusal(status) else str(status.get("state") or "-")


def _refusal(status: JsonObject) -> str:
    """Return why the operator cannot read a provider, empty if it can."""
    found = (each for each in status.get("conditions", ()) if (each["type"], each["status"]) == ("Ready", "False"))
    return next((str(each.get("message") or each["reason"]) for each in found), "")


def why(status: JsonObject) -> str:
    """Return why a provider cannot be read; or the limit that closed it, and the attempt that met or probes it."""
    if refusal := _refusal(status):
        return refusal
    by, probe = status.get("closedBy", {}), status.get("probe")
    limit = ": ".join(filter(None, (status.get("reason"), status.get("message"))))
    if probe:
        return f"{limit}; agent {probe['agent']} of Run {probe['run']} probes"
    return f"{limit} (agent {by['agent']} of Run {by['run']})" if limit and by else limit
