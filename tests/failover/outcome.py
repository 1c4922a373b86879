"""The results of a campaign, and their table in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from tests.chaos.evidence import INCOMPLETE
from tests.chaos.series import Series, sum_of
from tests.chaos.wave import Result
from tests.failover.faults import Blow, Toll

HEAD = """\
| the leader's | times | waves | Runs | pods started | restarts charged | takeover: median s | most s | differences and violations |
|---|---|---|---|---|---|---|---|---|"""


@dataclass(slots=True)
class Report(Series):
    """The results of the Runs under one kind of blow."""

    blow: Blow
    wanted: int
    toll: Toll = field(default_factory=Toll)

    @property
    def good(self) -> bool:
        """Whether every blow was survived without a failure."""
        return not self.faults and len(self.toll.takeovers) >= self.wanted


@dataclass(slots=True)
class Outcome:
    """All reports, and the failures without any blow."""

    calm: Result
    reports: list[Report] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether there was no failure at all."""
        return not self.calm.violations and all(report.good for report in self.reports)


def table(outcome: Outcome, *, complete: bool) -> list[str]:
    """Return the lines of the table, and below it every failure."""
    told = [HEAD, *(_row(report.blow.name, [report]) for report in outcome.reports), _row("all", outcome.reports)]
    told += [f"undisturbed: {text}" for text in outcome.calm.violations]
    for report in outcome.reports:
        told += report.faults
        if len(report.toll.takeovers) < report.wanted:
            told.append(f"{report.blow.name}: only {len(report.toll.takeovers)} of {report.wanted} blows were survived")
    if not complete:
        told.append(INCOMPLETE)
    return told


def _row(name: str, reports: Sequence[Report]) -> str:
    took = [seconds for report in reports for seconds in report.toll.takeovers]
    times = f"{median(took):.1f} | {max(took):.1f}" if took else "- | -"
    found = sum_of(reports)
    return (
        f"| {name} | {len(took)} | {found.waves} | {found.runs} | {found.started} | {found.charged} | {times} | {found.verdict} |"
    )
