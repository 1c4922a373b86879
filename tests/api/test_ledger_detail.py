"""A real operator with `--ledger-detail all`: few rows for a healthy Run, a row for an agent's silence, and all of them replay."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from controller.api.base import JsonObject
from controller.api.policy import HealthThresholds, RunPolicySpec
from controller.api.resolved_policy import ResolvedPolicy
from controller.cli import main
from controller.errors import RunwatchmanError
from controller.ledger.reading import Row, Selection, read
from controller.plan import Plan, plan
from controller.plan.snapshot_reader import read_snapshot
from tests.cluster import Cluster
from tests.kept_ledger.actor import Actor
from tests.kept_ledger.stories import BY_HAND
from tests.support import OperatorProcess, apply, await_that, policy_of, run_of

REPORTS = 20
"""Reports of a healthy agent, which differ in their times and numbers."""
FEW = 12
"""Maximum rows of a healthy Run: about one for each step of its pod's start and end, and for the first reports."""
SILENT_SECONDS = 3
IMPATIENT = ResolvedPolicy.of(
    "default",
    RunPolicySpec(unhealthy_confirmations=1, restart_cooldown_seconds=0, health=HealthThresholds(activity_stalled_seconds=2)),
)


@dataclass(frozen=True)
class Stage:
    """A namespace with an operator that records everything, and its ledger."""

    cluster: Cluster
    namespace: str
    url: str

    def run(self, name: str) -> Actor:
        """Apply a Run whose pod ends when the test says so."""
        apply(self.cluster, self.namespace, run_of(name))
        return Actor(self.cluster, self.namespace, name)

    def rows(self, run: str) -> list[Row]:
        """Return the rows of a Run; none as long as there is no ledger."""
        try:
            return [row for row in read(self.url, Selection(run=run)) if isinstance(row, Row)]
        except RunwatchmanError:
            return []


@pytest.fixture
def stage(api_cluster: Cluster, namespace: str, tmp_path: Path) -> Iterator[Stage]:
    """An operator and its ledger, whose decisions are all made again at the end."""
    url = f"sqlite:///{tmp_path}/ledger.db"
    options = ("--namespace", namespace, "--lease-name", f"detail-{namespace}", "--reporter-image", "runwatchman:1")
    apply(api_cluster, namespace, policy_of(BY_HAND))
    with OperatorProcess(api_cluster, *options, "--ledger", url, "--ledger-detail", "all"):
        yield Stage(api_cluster, namespace, url)
    replayed = CliRunner().invoke(main, ["replay", "--ledger", url])
    assert replayed.exit_code == 0, replayed.output


def progressing(number: int) -> JsonObject:
    """Return what a healthy agent reports."""
    return {"progressAgeSeconds": 0, "progressEvents": number, "usage": {"inputTokens": 1000 * number}}


def test_a_healthy_run_has_few_rows(stage: Stage) -> None:
    """However often its agent reports. Rows of both kinds are in the order of their times."""
    actor = stage.run("healthy")
    for number in range(1, REPORTS):
        actor.reports(0, **progressing(number))
    actor.ends(0, 0)
    actor.in_phase("Completed")
    found = await_that(lambda: (rows := stage.rows("healthy")) and ended(rows[-1]) and rows, "the row of its end")
    assert {row.kind for row in found} == {"acted", "seen"}
    assert len(found) <= FEW, [(row.kind, row.rule, row.reason) for row in found]
    assert [row.at for row in found] == sorted(row.at for row in found)


def ended(row: Row) -> bool:
    """Whether a row is about a completed Run, or about the pass that completed it."""
    return "Completed" in (row.phase, *(action.get("phase") for action in json.loads(row.outcome)["acted"]))


def test_a_silence_is_recorded(stage: Stage) -> None:
    """An agent is silent for a while, which its policy allows, and goes on. A policy that is less patient restarts it in the row of
    that silence, and in no other one.
    """
    actor = stage.run("quiet")
    actor.reports(0, **progressing(1))
    began = datetime.now(UTC)

    def silent_for_long() -> bool:
        age = int((datetime.now(UTC) - began).total_seconds())
        actor.reports(0, activityAgeSeconds=age, progressAgeSeconds=age, progressEvents=1)
        return age >= SILENT_SECONDS

    await_that(silent_for_long, "the silence to last")
    actor.reports(0, **progressing(2))
    await_that(lambda: [row for row in stage.rows("quiet") if restarts(row)], "its row")
    acting = [row for row in stage.rows("quiet") if restarts(row)]
    assert [row.kind for row in acting] == ["seen"]


def impatient(row: Row) -> Plan:
    """Return the plan of a less patient policy in a row's situation."""
    snapshot, now = read_snapshot(json.loads(row.snapshot))
    return plan(replace(snapshot, policy=IMPATIENT), now)


def restarts(row: Row) -> bool:
    """Whether that policy gives the agent another attempt because it was silent."""
    return any(action.reason == "ActivityStalled" for action in impatient(row).actions)
