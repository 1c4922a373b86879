"""The campaign of one store: an undisturbed wave, then waves with kills until all are done, and their differences.

During each wave with kills a hostile tenant claims its Runs: the wave must end as the undisturbed one does, which has no such
neighbour.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from tests.chaos.evidence import Evidence
from tests.chaos.forger import home_of
from tests.chaos.killing import Killer, Toll
from tests.chaos.scenarios import Scenario
from tests.chaos.series import Series, under_fire
from tests.chaos.wave import Result, Wave, namespace_of
from tests.cluster import Cluster
from tests.support import OperatorProcess


@dataclass(slots=True)
class Report(Series):
    """The results of one store's Runs."""

    store: str
    undisturbed: Result
    toll: Toll = field(default_factory=Toll)


@dataclass(frozen=True, slots=True)
class Campaign:
    """The place of a campaign, and its stories. `tell` prints lines of progress."""

    cluster: Cluster
    evidence: Evidence
    scenarios: Sequence[Scenario]
    seed: int
    tell: Callable[[str], None]

    def against(self, name: str, store: str, kills: int) -> Report:
        """Run an undisturbed wave, then waves with kills until their number is reached."""
        report = Report(name, self.undisturbed(name, store))
        report.faults += report.undisturbed.violations
        self.tell(f"{name}: the undisturbed wave is over: {report.undisturbed.started} pods")
        while report.toll.kills < kills:
            self._one_more(report, store, kills - report.toll.kills)
        return report

    def side_by_side(self, name: str, store: str, kills: int) -> Report:
        """Run an undisturbed wave and one with kills at the same time."""
        with ThreadPoolExecutor(1) as pool:
            calm = pool.submit(self.undisturbed, name, store)
            result, toll = self.killed(f"{name}-1", store, kills, None)
        report = Report(name, calm.result(), toll, faults=list(calm.result().violations))
        report.take(f"{name}-1", result, report.undisturbed)
        return report

    def undisturbed(self, name: str, store: str) -> Result:
        """Return the final states of the Runs under an undisturbed operator."""
        with self._stage(f"{name}-0", store) as (wave, _):
            return wave.run()

    def killed(self, name: str, store: str, kills: int, expected: Result | None) -> tuple[Result, Toll]:
        """Return the final states of the Runs under an operator that is killed."""
        with self._stage(name, store, hostile=True) as (wave, operator):
            killer = Killer(operator, f"{self.seed} {name}", lambda line: self.tell(f"{name}: {line}"))
            return under_fire(wave, partial(killer.work, kills), expected), killer.toll

    def _one_more(self, report: Report, store: str, kills: int) -> None:
        name = f"{report.store}-{len(report.waves) + 1}"
        result, toll = self.killed(name, store, kills, report.undisturbed)
        report.toll.kills += toll.kills
        report.toll.at_a_step += toll.at_a_step
        report.toll.ended_by_itself += toll.ended_by_itself
        faults = report.take(name, result, report.undisturbed)
        self.tell("\n".join([f"{name}: over after {toll.kills} kills, {result.started} pods, {len(faults)} faults", *faults]))

    @contextmanager
    def _stage(self, name: str, store: str, *, hostile: bool = False) -> Iterator[tuple[Wave, OperatorProcess]]:
        """Yield a wave in a namespace of its own with an operator of its own, which takes its Lease again at once after a crash."""
        place = f"chaos-{name}-{uuid.uuid4().hex[:4]}"
        namespaces = ("--namespace", place, "--namespace", home_of(place))
        told = ("--store", store, *namespaces, "--lease-name", place, "--log-level", "debug")  # The killer awaits steps.
        with OperatorProcess(self.cluster, *told) as operator, namespace_of(self.cluster, place):
            yield Wave(self.cluster, self.evidence, place, store, self.scenarios, hostile=hostile), operator
