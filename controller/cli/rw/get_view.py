"""Pure: a table of Runs that shows which of them have problems, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from rich.text import Text

from controller.cli.rw import styles
from controller.cli.rw.objects import JsonObject, created, happened_at, name_of, namespace_of, phase_of, status_of, used
from controller.cli.rw.table_format import Layout, line, table
from controller.cli.rw.text import Cell, age

Reports = Mapping[str, Sequence[JsonObject]]
"""AgentReports by the UID of their Run."""

HEADER = ("NAME", "PHASE", "AGENTS", "RESTARTS", "INBOX", "AGE")
WIDE = ("POLICY", "TOKENS", "REQUESTED BY")
LIVE_WIDTHS = (20, 16, 6, 8, 5, 5)
"""Column widths of a watch that prints line by line, before the content is known."""

QUIET = frozenset({"Supervising", "AllAgentsComplete"})
"""Reasons that add nothing to the phase."""


def header(*, spaces: bool, wide: bool) -> tuple[str, ...]:
    """Return the titles of the columns."""
    return (*(("NAMESPACE",) if spaces else ()), *HEADER, *(WIDE if wide else ()), "WHY")


def runs_table(runs: Iterable[JsonObject], reports: Reports, now: datetime, width: int | None, *, spaces: bool, wide: bool) -> Text:
    """Return a line for each Run."""
    rows = [row(run, reports.get(run["metadata"]["uid"], ()), now, spaces=spaces, wide=wide) for run in runs]
    return table(header(spaces=spaces, wide=wide), rows, width)


def live_line(cells: Sequence[Cell]) -> Text:
    """Return one line of a watch that is not redrawn."""
    spare = len(cells) - 1 - len(LIVE_WIDTHS)
    return line(cells, Layout((*LIVE_WIDTHS[:1] * max(spare, 0), *LIVE_WIDTHS)))


def row(run: JsonObject, reports: Sequence[JsonObject], now: datetime, *, spaces: bool, wide: bool) -> list[Cell]:
    """Return a Run's cells."""
    status = status_of(run)
    cells: list[Cell] = [name_of(run), styles.phase(phase_of(run)), status.get("ready") or f"0/{len(run['spec']['agents'])}"]
    cells += [str(status.get("restarts", 0)), styles.inbox(status.get("openEscalations", 0)), age(created(run), now)]
    if wide:
        cells += [status.get("policy", {}).get("name", "-"), tokens(used(run, reports)), requester(run) or "-"]
    loud = "" if phase_of(run) in styles.NEEDY else styles.DIM
    return [*([namespace_of(run)] if spaces else []), *cells, (why(run, reports, now), loud)]


def why(run: JsonObject, reports: Sequence[JsonObject], now: datetime) -> str:
    """Return the most important fact about a Run: the reason why it does not proceed, otherwise its agents' last message."""
    status = status_of(run)
    reason, message = status.get("reason", ""), status.get("message", "")
    if not status:
        return "the operator has not processed it yet"
    if reason in QUIET and (words := last_words(reports, now)):
        return words
    if reason == "Supervising":
        return ""
    return message if message and reason in ("", phase_of(run)) else f"{reason}: {message}".removesuffix(": ")


def last_words(reports: Sequence[JsonObject], now: datetime) -> str:
    """Return the newest progress message; empty if no agent has reported any."""
    reported = [(happened_at(report, "progressAgeSeconds"), report) for report in reports if status_of(report).get("message")]
    dated = [(moment, report) for moment, report in reported if moment]
    if not dated:
        return ""
    moment, report = max(dated, key=lambda pair: pair[0])
    return f"{report['spec']['agent']}, {age(moment, now)} ago: {status_of(report)['message']}"


def requester(run: JsonObject) -> str:
    """Return the user who asked for a Run, with a note if nobody has checked that; empty if it names none."""
    found = status_of(run).get("requestedBy")
    if found is None:
        return f"{run['spec']['requestedBy']} (not processed yet)" if run["spec"].get("requestedBy") else ""
    return str(found["name"]) if found["checked"] else f"{found['name']} (unchecked)"


def tokens(usage: JsonObject) -> str:
    """Return the number of used tokens, `-` if nobody reported it."""
    return f"{usage['inputTokens'] + usage['outputTokens']:,}" if usage else "-"


def summary(runs: Sequence[JsonObject]) -> str:
    """Return the number of Runs per phase, in one line."""
    counts = Counter(phase_of(run) for run in runs)
    counts_text = ", ".join(f"{count} {phase}" for phase, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
    return f"{len(runs)} Run{'s' if len(runs) > 1 else ''}: {counts_text}"


def by_run(reports: Iterable[JsonObject]) -> dict[str, list[JsonObject]]:
    """Return reports by the UID of their Run."""
    found: dict[str, list[JsonObject]] = {}
    for report in reports:
        found.setdefault(report["spec"]["runUID"], []).append(report)
    return found
