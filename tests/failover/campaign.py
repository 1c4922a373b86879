"""An undisturbed wave, then for every kind of blow waves until its blows are done, and their differences.

During each wave with blows a hostile tenant claims its Runs, as in `tests.chaos`.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from tests.chaos.evidence import Evidence
from tests.chaos.scenarios import SCENARIOS, Scenario, Step
from tests.chaos.series import under_fire
from tests.chaos.wave import Result, Wave, namespace_of
from tests.cluster import Cluster
from tests.failover.faults import Blow, Striker, Struck, Toll
from tests.failover.outcome import Outcome, Report
from tests.support import shell

STORE = "status"
QUIET = {"reporter": "Off"}
"""Agents without reports run without the reporter: a dozen reporters at once would leave the operators no core."""

ASKING = Scenario(
    "asking",
    (shell('rw ask --wait 600 "Go on?" yes no && rw done "shipped"'),),
    (Step(lambda at: at.asked(0), lambda at: at.answer(0, "Answer", answer="yes")),),
)


def scenarios() -> list[Scenario]:
    """Return the stories of chaos, and one of an agent that asks."""
    return [*(replace(each, policy=each.policy | QUIET) for each in SCENARIOS), ASKING]


@dataclass(frozen=True, slots=True)
class Campaign:
    """The place of a campaign, and its stories. `tell` prints lines of progress."""

    cluster: Cluster
    evidence: Evidence
    release: Struck
    seed: int
    tell: Callable[[str], None]
    stories: Sequence[Scenario] = field(default_factory=scenarios)

    def all(self, blows: Sequence[Blow], times: int) -> Outcome:
        """Run an undisturbed wave, then each kind of blow this many times."""
        outcome = Outcome(self.undisturbed())
        self.tell(f"the undisturbed wave is over: {outcome.calm.started} pods, {len(outcome.calm.violations)} violations")
        for blow in blows:
            outcome.reports.append(self.under(blow, times, outcome.calm))
        return outcome

    def undisturbed(self) -> Result:
        """Return the final states of the undisturbed Runs."""
        with namespace_of(self.cluster, _place("calm")) as place:
            return self._wave(place).run()

    def under(self, blow: Blow, blows: int, calm: Result) -> Report:
        """Run waves until the blows are done; a fault ends them sooner."""
        report = Report(blow, blows)
        while len(report.toll.takeovers) < blows and not report.faults:
            self._one_more(report, blows - len(report.toll.takeovers), calm)
        return report

    def _one_more(self, report: Report, blows: int, calm: Result) -> None:
        name = f"{report.blow.name.split()[0].strip(',').lower()}-{len(report.waves) + 1}"
        result, toll = self._struck(name, report.blow, blows, calm)
        report.toll.add(toll)
        faults = report.take(name, result, calm, toll.faults)
        self.tell(
            "\n".join([f"{name}: over after {len(toll.takeovers)} blows, {result.started} pods, {len(faults)} faults", *faults])
        )

    def _struck(self, name: str, blow: Blow, blows: int, calm: Result) -> tuple[Result, Toll]:
        with namespace_of(self.cluster, _place(name)) as place:
            written = partial(self.evidence.count, place)
            striker = Striker(self.release, blow, f"{self.seed} {name}", written, lambda line: self.tell(f"{name}: {line}"))
            return under_fire(self._wave(place, hostile=True), partial(striker.work, blows), calm), striker.toll

    def _wave(self, place: str, *, hostile: bool = False) -> Wave:
        return Wave(self.cluster, self.evidence, place, STORE, self.stories, hostile=hostile)


def _place(name: str) -> str:
    return f"failover-{name}-{uuid.uuid4().hex[:4]}"
