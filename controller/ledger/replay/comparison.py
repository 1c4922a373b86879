"""Sums up what a candidate policy would have decided otherwise, per Run and for all. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from controller.ledger.replay.candidate import Judged, Parting, Standing
from controller.ledger.replay.decision import Change, Effect, Kind
from controller.ledger.replay.reproduce import Finding
from controller.ledger.replay.summary import LISTED


@dataclass(slots=True)
class RunComparison:
    """One Run: its rows, those that were judged, and where the histories part or the judgement ends, if they do."""

    namespace: str
    run: str
    rows: int = 0
    judged: int = 0
    parting: Parting | None = None
    finding: Finding | None = None


@dataclass(slots=True)
class Comparison:
    """All Runs by UID, and rows that belong to no known Run."""

    runs: dict[str, RunComparison] = field(default_factory=dict)
    damaged: list[Finding] = field(default_factory=list)
    damaged_rows: int = 0

    def add(self, results: Iterable[Judged]) -> None:
        """Add the results of some rows."""
        for result in results:
            self._add(result)

    def _add(self, result: Judged) -> None:
        if not result.uid:
            self.damaged_rows += 1
            if result.finding and len(self.damaged) < LISTED:
                self.damaged.append(result.finding)
            return
        run = self.runs.setdefault(result.uid, RunComparison(result.namespace, result.run))
        run.rows += 1
        run.judged += result.standing in (Standing.AGREES, Standing.PARTS)
        run.parting, run.finding = run.parting or result.parting, run.finding or result.finding
        if run.parting and result.sooner:
            run.parting = _with_sooner(run.parting, result.sooner)

    @property
    def effects(self) -> Counter[tuple[Kind, Change]]:
        """The number of effects of each kind."""
        return Counter((effect.kind, effect.change) for run in self.parted if run.parting for effect in run.parting.effects)

    @property
    def rows(self) -> int:
        """All rows."""
        return sum(run.rows for run in self.runs.values()) + self.damaged_rows

    @property
    def judged(self) -> int:
        """Rows whose decision was compared."""
        return sum(run.judged for run in self.runs.values())

    @property
    def parted(self) -> list[RunComparison]:
        """Runs whose histories part, in the order of the ledger."""
        return sorted((run for run in self.runs.values() if run.parting), key=lambda run: run.parting.id if run.parting else 0)

    @property
    def unjudged(self) -> list[RunComparison]:
        """Runs whose judgement ends at a row that cannot be judged."""
        return [run for run in self.runs.values() if run.finding]


def _with_sooner(parting: Parting, sooner: tuple[Effect, ...]) -> Parting:
    """Return a parting in which some added effects are those that the record has later."""
    known = {replace(effect, change=Change.ADDED, at=""): effect for effect in sooner}
    return replace(parting, effects=tuple(known.get(effect, effect) for effect in parting.effects))
