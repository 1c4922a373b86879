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
    """Return a line for each Provider."""
    header = (*(("NAMESPACE",) if spaces else ()), *HEADER)
    return table(header, [[*([namespace_of(each)] if spaces else []), *_row(each, now)] for each in providers], width)


def _row(provider: JsonObject, now: datetime) -> list[Cell]:
    status, most = status_of(provider), provider.get("spec", {}).get("maxActiveAgents")
    closed = status.get("state") == "Closed" and status.get("closedUntil")
    active = f"{status.get('activeAgents', 0)}{f'/{most}' if most else ''}"
    return [
        name_of(provider),
        status.get("state", "-"),
        until(time_of(status["closedUntil"]), now) if closed else "-",
        active,
        str(status.get("waitingAgents", 0)),
        why(status),
    ]


def why(status: JsonObject) -> str:
    """Return the limit that closed a provider, and the attempt that met or probes it."""
    by, probe = status.get("closedBy", {}), status.get("probe")
    limit = ": ".join(filter(None, (status.get("reason"), status.get("message"))))
    if probe:
        return f"{limit}; agent {probe['agent']} of Run {probe['run']} probes"
    return f"{limit} (agent {by['agent']} of Run {by['run']})" if limit and by else limit
