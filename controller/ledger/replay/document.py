"""The result of a replay as JSON and as text. Pure; texts of the ledger are written as they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from controller.api.base import JsonObject
from controller.ledger.replay.reproduce import Finding, Result
from controller.ledger.replay.summary import AuditSummary, Scope

UNJUDGED = (Result.CUT, Result.REDACTED, Result.DAMAGED)
"""Results of rows that cannot be judged."""


def audit_document(scope: Scope, summary: AuditSummary) -> JsonObject:
    """Return the result of a replay with the recorded policies."""
    counts = {result.value: summary.counts[result] for result in Result}
    findings = [finding_document(found) for found in sorted(summary.findings, key=lambda found: found.id)]
    return {**scope_document(scope), "decisions": summary.rows, **counts, "findings": findings, "unlisted": summary.unlisted}


def audit_lines(scope: Scope, summary: AuditSummary) -> Iterator[str]:
    """Yield the same for people."""
    counts = summary.counts
    yield scope_line(scope, summary.rows)
    yield f"{counts[Result.REPRODUCED]:,} reproduced, {counts[Result.DIFFERENT]:,} different"
    unjudged = [f"{counts[result]:,} {result.value}" for result in UNJUDGED if counts[result]]
    if unjudged:
        yield f"not judged: {', '.join(unjudged)}"
    if summary.findings:
        yield ""
        yield from table(("ROW", "TIME", "RUN", "RESULT", "WHAT"), sorted(map(_cells, summary.findings)))
    if summary.unlisted:
        yield f"and {summary.unlisted:,} more"


def scope_line(scope: Scope, rows: int) -> str:
    """Return the line that says how much was read."""
    span = f", {scope.first} to {scope.last}" if scope.first else ""
    return f"{number(rows, 'decision')} of {number(len(scope.uids), 'Run')}{span}"


def scope_document(scope: Scope) -> JsonObject:
    """Return how much was read."""
    return {"runs": len(scope.uids), "first": scope.first, "last": scope.last}


def number(count: int, what: str) -> str:
    """Return a count with its noun."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def table(header: tuple[str, ...], rows: Sequence[tuple[int, tuple[str, ...]]]) -> Iterator[str]:
    """Yield rows under a header; each row is an ID and its other cells."""
    cells = [header, *((str(number), *rest) for number, rest in rows)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(header) - 1)]
    for row in cells:
        yield "   ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip()


def _cells(found: Finding) -> tuple[int, tuple[str, ...]]:
    run = f"{found.namespace}/{found.run}" if found.run else "-"
    differences = [f"{each.field}: {each.recorded or '(none)'} -> {each.now or '(none)'}" for each in found.differences]
    return found.id, (
        found.at or "-",
        run,
        found.result.value,
        "; ".join([*([found.problem] if found.problem else []), *differences]),
    )


def finding_document(found: Finding) -> JsonObject:
    """Return a row that was not reproduced."""
    about = {"id": found.id, "at": found.at, "namespace": found.namespace, "run": found.run, "result": found.result.value}
    differences = [{"field": each.field, "recorded": each.recorded, "now": each.now} for each in found.differences]
    document = {**about, "problem": found.problem, "differences": differences}
    return {key: value for key, value in document.items() if value not in ("", [])}
