"""The ledger that an operator would have written about simulated Runs: what `--from-ledger` is tried on, with a known truth."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from unittest.mock import patch

import sqlalchemy as sa

from controller.api.policy import HealthThresholds, RunPolicySpec
from controller.api.resolved_policy import ResolvedPolicy
from controller.api.timestamps import format_time, parse_time
from controller.ledger.entry import ACTED, SEEN, entry_of
from controller.ledger.reading import Row
from controller.ledger.situations import Situation, Situations
from controller.ledger.tables import decisions, prepare, row_of
from controller.plan import planner
from controller.plan.actions import Action, Creation, Effect, Transition
from controller.simulation import engine
from controller.simulation.draws import Draws
from controller.simulation.passes import Passes
from controller.simulation.scenario import Scenario, scenario_of

TRUTH = scenario_of(
    {
        "arrivals": {"from": "08:00", "to": "18:00"},
        "agent": {
            "workSeconds": {"lognormal": {"median": 3600, "p90": 9000}},
            "progressEverySeconds": {"exponential": {"mean": 120}},
            "crash": {"perHour": 0.2, "ends": [{"exitCode": 3}]},
            "doomed": {"share": 0.1, "afterSeconds": 300},
            "hang": {"perHour": 0.2},
            "loop": {"perHour": 0.1},
            "questions": {"perHour": 0.3, "parks": 0.5},
            "tokensPerHour": 1000000,
            "costMicroUSDPerMillionTokens": 3000000,
        },
        "people": {
            "answerSeconds": {"lognormal": {"median": 600, "p90": 2400}},
            "hours": {"from": "08:00", "to": "18:00", "days": ["Mon", "Tue", "Wed", "Thu", "Fri"]},
            "retry": 0.7,
        },
        "nodes": {"drainsPerDay": 2, "startSeconds": {"uniform": {"from": 10, "to": 30}}},
        "provider": {"limitsPerDay": 2, "lastsSeconds": 60},
    }
)
POLICY = RunPolicySpec(
    restart_budget=8,
    stale_run_age_seconds=86400,
    health=HealthThresholds(activity_stalled_seconds=900, progress_stalled_seconds=1800),
)


def simulated_rows(scenario: Scenario, runs: int, policy: RunPolicySpec, *, situations: bool = False) -> list[Row]:
    """Return the rows of many Runs, in the order of their time; with `situations`, those of `--ledger-detail all`."""
    resolved = ResolvedPolicy.of("default", policy)
    rows: list[Row] = []
    with _recorded(rows, Situations() if situations else None):
        for number in range(runs):
            engine.simulate_run(scenario, resolved, Draws(1, number), lazy=not situations)
    rows.sort(key=lambda row: row.at)
    return [replace(row, id=number) for number, row in enumerate(rows, 1)]


def write_ledger(url: str, rows: list[Row]) -> None:
    """Write rows into a new ledger."""
    database = sa.create_engine(url)
    with database.begin() as connection:
        prepare(connection)
        for row in rows:
            values = asdict(row) | {"at": format_time(row.at), "run_uid": row.uid}
            columns = {column.name for column in decisions.columns} - {"id"}
            connection.execute(decisions.insert().values({name: value for name, value in values.items() if name in columns}))
    database.dispose()


@contextmanager
def _recorded(rows: list[Row], situations: Situations | None) -> Iterator[None]:
    """Add a row for each pass that acts, as the operator does, and for each situation that it finds worth one."""

    def add(situation: Situation, acts: list[Action], kind: str) -> None:
        entry = row_of(entry_of(situation.snapshot, situation.plan, acts, "", situation.at, kind))
        names = ("namespace", "run", "rule", "phase", "reason", "digest", "snapshot", "plan", "outcome")
        moment = parse_time(entry["at"])
        assert moment
        rows.append(Row(id=0, at=moment, uid=entry["run_uid"], kind=kind, **{name: entry[name] for name in names}))

    class Recorded(Passes):
        def reconcile(self) -> None:
            first = self._snapshot(self._cluster.report)
            at, self.acts = self._now, list[Action]()
            found = Situation(first, planner.plan(first, at), at)
            super().reconcile()
            if situations is not None:
                for other in situations.acted(found) if self.acts else situations.seen(found):
                    add(other, [], SEEN)
            if self.acts:
                add(found, self.acts, ACTED)

        def _change(self, action: Transition) -> None:
            self.acts.append(action)
            super()._change(action)

        def _judge(self, action: Creation | Effect) -> None:
            self.acts.append(action)
            super()._judge(action)

    with patch.object(engine, "Passes", Recorded):
        yield
