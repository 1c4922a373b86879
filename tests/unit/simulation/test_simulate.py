"""`runwatchman simulate`, as typed: its results, its mistakes, and that processes change nothing but the time."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from controller.api.policy import RunPolicySpec
from controller.api.resolved_policy import ResolvedPolicy
from controller.cli import main
from controller.simulation import plot, pool
from controller.simulation.pool import Case
from controller.simulation.scenario import scenario_of
from controller.simulation.shipped import find_scenario, names, shipped

QUICK = {
    "horizonSeconds": 14400,
    "agent": {"workSeconds": 1800, "quiet": {"perHour": 2, "lastsSeconds": 1200}, "hang": {"perHour": 0.3}},
}
IMPATIENT = {"health": {"activityStalledSeconds": 600}}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a scenario and two policies, in which the command runs."""
    for name, values in (("quick", QUICK), ("impatient", IMPATIENT), ("patient", {"health": {"activityStalledSeconds": 1800}})):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(values))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def simulate(*words: str, runs: int = 40) -> str:
    """Run the command; return its output."""
    done = CliRunner().invoke(main, ["simulate", "--runs", str(runs), *words])
    assert done.exit_code == 0, done.output
    return done.stdout


def refused(*words: str) -> str:
    """Run the command, which must fail; return what it says."""
    done = CliRunner().invoke(main, ["simulate", "--runs", "40", *words])
    assert (done.exit_code, done.stdout) == (2, "")
    return done.stderr


@pytest.mark.usefixtures("folder")
def test_two_policies_are_compared_on_the_same_random_numbers() -> None:
    """The one that stops quiet agents after ten minutes is shown to be worse, and why."""
    found: dict[str, Any] = json.loads(
        simulate("--scenario", "quick.yaml", "--policy", "impatient.yaml", "--policy", "patient.yaml", "-o", "json")
    )
    stops = [policy["figures"]["falseStops"]["value"] for policy in found["policies"]]
    assert stops[0] > stops[1] == 0
    assert found["comparisons"][0]["differences"]["falseStops"]["verdict"] == "better"
    assert "agents stopped that would have finished" in found["comparisons"][0]["verdict"]
    assert "maxActiveRuns" in found["notSimulated"]


@pytest.mark.usefixtures("folder")
def test_the_seed_decides_the_result() -> None:
    """The same seed gives the same bytes, another one others."""
    words = ("--scenario", "quick.yaml", "-o", "json")
    assert simulate(*words) == simulate(*words) != simulate(*words, "--seed", "2")


def test_processes_change_nothing_but_the_time() -> None:
    """One process and three give the same results, Run by Run, and count each Run once."""
    cases = [Case(scenario_of(QUICK), ResolvedPolicy.of(str(budget), RunPolicySpec(restart_budget=budget))) for budget in (0, 3)]
    counted: list[int] = []
    alone = pool.play(cases, 90, 1, 1, lambda _: None)
    assert pool.play(cases, 90, 1, 3, counted.append) == alone
    assert sum(counted) == 180


@pytest.mark.usefixtures("folder")
def test_a_sweep_draws_the_trade_off() -> None:
    """Each value has its line; the longer the threshold, the fewer false stops."""
    found: dict[str, Any] = json.loads(
        simulate("--scenario", "quick.yaml", "--sweep", "health.activityStalledSeconds=300,900,3600", "-o", "json")
    )
    points = found["sweep"]["points"]
    stops = [point["figures"]["falseStops"]["value"] for point in points]
    assert [point["value"] for point in points] == [300, 900, 3600]
    assert stops == sorted(stops, reverse=True)
    text = simulate("--scenario", "quick.yaml", "--sweep", "health.activityStalledSeconds=300,900,3600", "--policy", "patient.yaml")
    assert [line.split()[0] for line in text.splitlines()[2:6]] == ["health.activityStalledSeconds", "300", "900", "3600"]


@pytest.mark.parametrize("sweep", [(), ("--sweep", "restartBudget=0,3")], ids=["policies", "sweep"])
def test_a_picture_is_the_same_bytes_each_time(folder: Path, sweep: tuple[str, ...]) -> None:
    """It has no date and no random IDs, and names what it shows."""
    for name in ("one.svg", "two.svg"):
        simulate("--scenario", "quick.yaml", "--plot", name, *sweep)
    one = (folder / "one.svg").read_text()
    assert one == (folder / "two.svg").read_text()
    assert "<dc:date>" not in one


@pytest.mark.usefixtures("folder")
def test_without_matplotlib_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before a Run is simulated."""
    monkeypatch.setattr(plot, "find_spec", lambda _: None)
    assert refused("--scenario", "quick.yaml", "--plot", "a.svg") == (
        "runwatchman: --plot a.svg: needs matplotlib, which is not installed: pip install 'runwatchman[plot]'\n"
    )


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--scenario", "slow.yaml"), "slow.yaml: file: cannot be read: No such file or directory; the scenarios by name are "
         "long-builds, nightly-refactoring, provider-limits"),
        (("--scenario", "impatient.yaml"), "impatient.yaml: health: unknown field: known fields are advisor, agent, arrivals, "),
        (("--scenario", "quick.yaml", "--policy", "none.yaml"), "--policy none.yaml: cannot be read: No such file or directory"),
        (("--scenario", "quick.yaml", "--policy", "quick.yaml"), "quick.yaml: horizonSeconds: unknown field: known fields are"),
        (("--scenario", "quick.yaml", "--sweep", "restartBudgt=1,2"),
         "--sweep restartBudgt: unknown field: did you mean restartBudget?"),
        (("--scenario", "quick.yaml", "--plot", "a.png"), "--plot a.png: must end in .svg: pictures are drawn as SVG"),
        (("--scenario", "quick.yaml", "--save-scenario", "none/a.yaml"),
         "--save-scenario none/a.yaml: cannot be written: No such file"),
        (("--scenario", "quick.yaml", "--plot", "none/a.svg"), "--plot none/a.svg: is in a folder that does not exist: create it"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_before_anything_is_simulated(words: tuple[str, ...], said: str) -> None:
    """By the file or option, the field, the value and the remedy."""
    assert f"runwatchman: {said}" in refused(*words)


@pytest.mark.parametrize("name", names())
def test_each_shipped_scenario_is_one_and_says_where_its_figures_are_from(name: str) -> None:
    """Each field with a figure has, or follows, a comment with its source or the word `assumed`; Runs of each kind complete."""
    text = shipped(name).decode()
    assert find_scenario(name)[1].description
    assert re.findall(r"# (?:As in|Assumed)|https?://|doi\.org|[a-z]+\.com/", text)
    results = pool.play([Case(find_scenario(name)[1], ResolvedPolicy.of("", RunPolicySpec()))], 20, 1, 1, lambda _: None)[0]
    assert sum(result.completed for result in results) > 10
