"""Sums up the replay of a ledger with its recorded policies. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from controller.api.timestamps import format_time
from controller.ledger.entry import SEEN
from controller.ledger.reading import Row
from controller.ledger.replay.reproduce import Finding, Result, Situation, reproduce
from controller.ledger.replay.shards import AnyRow

LISTED = 1000
"""Maximum findings that are kept; the rest is counted."""


class Audit:
    """Judges rows by the policies that they have: None for one that is reproduced, otherwise the finding."""

    def __call__(self, row: AnyRow) -> Finding | None:
        """Judge one row."""
        found = reproduce(row)
        return None if isinstance(found, Situation) else found


@dataclass(slots=True)
class Scope:
    """The Runs and the span of time of the rows that were read. `watched`: there are situations, too."""

    uids: set[str] = field(default_factory=set)
    first: str = ""
    last: str = ""
    watched: bool = False

    def add(self, row: AnyRow) -> None:
        """Add a row; a damaged one belongs to no known Run."""
        if isinstance(row, Row):
            self.uids.add(row.uid)
            self.watched |= row.kind == SEEN
            at = format_time(row.at)
            self.first, self.last = min(self.first or at, at), max(self.last, at)


@dataclass(slots=True)
class AuditSummary:
    """The number of rows by result, and the first findings."""

    counts: Counter[Result] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)

    def add(self, results: Iterable[Finding | None]) -> None:
        """Add the results of some rows."""
        for found in results:
            self.counts[found.result if found else Result.REPRODUCED] += 1
            if found and len(self.findings) < LISTED:
                self.findings.append(found)

    @property
    def rows(self) -> int:
        """All rows."""
        return self.counts.total()

    @property
    def judged(self) -> int:
        """Rows whose plan could be compared."""
        return self.counts[Result.REPRODUCED] + self.counts[Result.DIFFERENT]

    @property
    def unlisted(self) -> int:
        """Findings that are only counted."""
        return self.rows - self.counts[Result.REPRODUCED] - len(self.findings)
