"""A scenario that is fitted to the ledger of simulated Runs is the one that was simulated, within its intervals."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from controller.api.base import dump
from controller.api.policy import HealthThresholds, RunPolicySpec
from controller.api.timestamps import format_time
from controller.cli import main
from controller.ledger.reading import Row, read
from controller.plan.snapshot_reader import read_snapshot
from controller.simulation.draws import Draws
from controller.simulation.estimates import poisson, survival, window
from controller.simulation.fit import Fit, fit
from controller.simulation.fit_view import fit_document
from controller.simulation.history import histories
from controller.simulation.scenario import scenario_of
from controller.simulation.working_hours import MONDAY, Hours
from tests.kept_ledger import KEPT, unpack
from tests.unit.simulation.simulated_ledger import TRUTH, simulated_rows, write_ledger


@pytest.fixture(scope="module")
def fitted(ledger: list[Row]) -> Fit:
    """Return what is fitted to them."""
    return fit(histories(ledger))


@pytest.mark.parametrize(
    ("field", "truth"),
    [
        ("agent.crash.perHour", 0.2),
        ("agent.doomed.share", 0.1),
        ("agent.hang.perHour", 0.2),
        ("agent.loop.perHour", 0.1),
        ("agent.questions.perHour", 0.3),
        ("agent.questions.parks", 0.5),
        ("people.retry", 0.7),
        ("nodes.drainsPerDay", 2),
        ("provider.limitsPerDay", 2),
    ],
)
def test_rates_and_shares_are_recovered(fitted: Fit, field: str, truth: float) -> None:
    """The interval of each contains the truth, and is narrow enough to mean something."""
    figure = next(each.figure for each in fitted.figures if each.field == field)
    assert figure is not None
    assert figure.low is not None
    assert figure.high is not None
    assert figure.low <= truth <= figure.high, figure
    assert figure.high - figure.low < 1.2 * truth


def test_durations_are_recovered(fitted: Fit) -> None:
    """Medians and ninetieth percentiles are near those that were simulated, although some Runs never ended."""
    scenario = fitted.scenario
    pairs = [
        (scenario.agent.work_seconds, TRUTH.agent.work_seconds),
        (scenario.people.answer_seconds, TRUTH.people.answer_seconds),
        (scenario.nodes.start_seconds, TRUTH.nodes.start_seconds),
    ]
    for found, truth in pairs:
        assert [found.sample(u) for u in (0.5, 0.9)] == pytest.approx([truth.sample(u) for u in (0.5, 0.9)], rel=0.35)
    assert scenario.agent.progress_every_seconds.sample(0.5) == pytest.approx(
        TRUTH.agent.progress_every_seconds.sample(0.5), rel=0.1
    )


def test_hours_and_prices_are_recovered(fitted: Fit) -> None:
    """People answer on weekdays in their hours, and a million tokens cost what they did."""
    assert dump(fitted.scenario.people.hours) == dump(TRUTH.people.hours)
    assert fitted.scenario.arrivals.begins == "08:00"
    assert fitted.scenario.agent.tokens_per_hour == pytest.approx(1_000_000, rel=0.1)
    assert fitted.scenario.agent.cost_micro_usd_per_million_tokens == 3_000_000
    assert [end.exit_code for end in fitted.scenario.agent.crash.ends] == [3]


def test_what_a_ledger_cannot_show_is_named_as_a_default(fitted: Fit) -> None:
    """Healthy silences, for example: they lead to no decision."""
    assert {each.field for each in fitted.figures if each.is_default} >= {
        "agent.quiet",
        "agent.keepsWork",
        "reporter.outagesPerDay",
    }


def test_a_ledger_of_all_situations_shows_healthy_silences() -> None:
    """Their rate and lengths are recovered from the longest one of each attempt, up to the threshold that ends them."""
    truth = scenario_of(
        {"agent": {"workSeconds": 7200, "quiet": {"perHour": 1.5, "lastsSeconds": {"lognormal": {"median": 600, "p90": 1500}}}}}
    )
    health = HealthThresholds(activity_stalled_seconds=7200, progress_stalled_seconds=0)
    rows = simulated_rows(truth, 60, RunPolicySpec(health=health, stale_run_age_seconds=86400), situations=True)
    quiet = fit(histories(rows)).scenario.agent.quiet
    assert quiet.per_hour == pytest.approx(1.5, rel=0.35)
    assert [quiet.lasts_seconds.sample(u) for u in (0.5, 0.9)] == pytest.approx([600, 1500], rel=0.35)


def test_a_ledger_of_a_real_operator_has_attempts(tmp_path: Path) -> None:
    """A container that has ended has its start in its termination: the attempts of the kept ledger are found."""
    found = fit(histories(row for row in read(unpack(KEPT, tmp_path / "kept.db")) if isinstance(row, Row)))
    starts = next(each.data for each in found.figures if each.field == "nodes.startSeconds")
    crashes = next(each.data for each in found.figures if each.field == "agent.crash.perHour")
    assert int(starts.split()[0]) > 30
    assert int(crashes.split()[0]) > 10
    assert found.unreadable == 0


def test_a_small_ledger_gives_defaults(ledger: list[Row]) -> None:
    """Three Runs show nothing: the scenario is the default one, and each figure says how little data it has."""
    some = {row.uid for row in ledger[:6]}
    small = fit(histories(row for row in ledger if row.uid in list(some)[:3]))
    assert small.scenario.agent.crash.per_hour == 0
    assert small.scenario.agent.work_seconds == scenario_of({}).agent.work_seconds
    assert all(each.data for each in small.figures)


def test_no_ledger_at_all_is_a_default_scenario() -> None:
    """Without a row nothing is known."""
    empty = fit(histories([]))
    assert (empty.runs, empty.rows) == (0, 0)
    assert all(each.is_default for each in empty.figures)


@pytest.mark.parametrize("broken", [{"snapshot": "{"}, {"snapshot": "{}"}, {"outcome": "[]"}, {"outcome": '{"acted": [{}]}'}])
def test_a_row_that_cannot_be_read_is_counted_and_passed_over(ledger: list[Row], broken: dict[str, Any]) -> None:
    """A row that was cut, or that a newer version wrote."""
    found = histories([replace(ledger[0], **broken), ledger[1]])
    assert (found.rows, found.unreadable in (0, 1)) == (2, True)
    assert json.loads(ledger[1].snapshot)["run"]["uid"] in found.runs


def test_survival_counts_runs_that_did_not_end() -> None:
    """Of ten Runs half took an hour, and half were stopped before: the median is an hour, not less."""
    assert survival([(3600, True)] * 5 + [(1800, False)] * 5)[32] == 3600


def test_rates_have_poissons_interval() -> None:
    """Ten events in a hundred hours, by the tables 4.8 to 18.4 events; none in a hundred, up to 3.7."""
    figure = poisson(10, 100)
    assert figure.low == pytest.approx(0.048, abs=2e-3)
    assert figure.high == pytest.approx(0.184, abs=2e-3)
    assert poisson(0, 100).high == pytest.approx(0.0369, abs=1e-4)


def test_hours_are_found_across_midnight() -> None:
    """A night shift answers from ten in the evening to six."""
    times = [MONDAY + timedelta(hours=22 + 8 * Draws(1, number).uniform("hour"), days=number % 7) for number in range(300)]
    found = window(times)
    assert found is not None
    assert (found["from"], found["to"], len(found["days"])) == ("22:00", "06:00", 7)


def test_time_between_is_that_of_the_hours() -> None:
    """It is the inverse of the end of a wait."""
    office = scenario_of({"people": {"hours": {"from": "09:00", "to": "17:00", "days": ["Mon", "Tue"]}}}).people.hours
    assert isinstance(office, Hours)
    for seconds in (60, 30_000, 100_000):
        assert office.between(MONDAY, office.end_of(MONDAY, seconds)) == seconds


def test_the_command_fits_a_ledger_and_keeps_the_scenario(ledger: list[Row], tmp_path: Path) -> None:
    """It says with how much data, plays the fitted scenario, and writes one that gives the same result."""
    url, saved = f"sqlite:///{tmp_path / 'ledger.db'}", tmp_path / "fitted.yaml"
    write_ledger(url, ledger[:400])
    words = ["simulate", "--runs", "20", "-o", "json"]
    first = CliRunner().invoke(main, [*words, "--from-ledger", url, "--save-scenario", str(saved)])
    assert first.exit_code == 0, first.output
    again = CliRunner().invoke(main, [*words, "--scenario", str(saved)])
    found, kept = json.loads(first.stdout), json.loads(again.stdout)
    assert (found["fit"]["decisions"], found["fit"]["unreadable"]) == (400, 0)
    assert {each["source"] for each in found["fit"]["figures"]} == {"ledger", "default"}
    assert found["policies"] == kept["policies"]


def test_only_newer_runs_are_fitted(ledger: list[Row], tmp_path: Path) -> None:
    """A Run that was created before the time is left out with all its rows, also those after it."""
    url, rows = f"sqlite:///{tmp_path / 'ledger.db'}", ledger[:400]
    write_ledger(url, rows)
    made = {row.uid: read_snapshot(json.loads(row.snapshot))[0].run.created_at for row in rows}
    since = sorted(filter(None, made.values()))[len(made) // 2]
    newer = [row for row in rows if (created := made[row.uid]) and created >= since]
    older = {row.uid for row in rows if row.at >= since} - {row.uid for row in newer}
    command = ["simulate", "--runs", "1", "-o", "json", "--from-ledger", url, "--since", format_time(since)]
    found = json.loads(CliRunner().invoke(main, command).stdout)["fit"]
    assert (found["runs"], found["decisions"]) == (len({row.uid for row in newer}), len(newer))
    assert found["earlierRuns"] == len(older) > 0
    assert found["figures"] == fit_document(fit(histories(newer)))["figures"]
    none = CliRunner().invoke(main, [*command[:-1], "2999-01-01T00:00:00Z"])
    assert (none.exit_code, "--since 2999-01-01T00:00:00Z: no Run of the ledger" in none.stderr) == (2, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--scenario", "long-builds", "--since", "7d"], "give it with --from-ledger"),
        (["--from-ledger", "sqlite:///x.db", "--since", "soon"], "is no time"),
        (["--from-ledger", "sqlite:////nowhere/ledger.db"], "there is no such file"),
        (["--from-ledger", "ledger.db"], "not a database URL"),
        ([], "give either --scenario"),
        (["--from-ledger", "sqlite:///x.db", "--scenario", "long-builds"], "give either --scenario"),
    ],
)
def test_a_ledger_that_is_none_is_named(words: list[str], said: str) -> None:
    """In one line, with the remedy, and exit code 2."""
    done = CliRunner().invoke(main, ["simulate", *words])
    assert (done.exit_code, said in done.stderr) == (2, True)
