"""`runwatchman replay` as its users see it: output, exit codes, and what it says about a wrong option or ledger."""

from __future__ import annotations

import importlib
import json
import os
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from click.testing import CliRunner, Result

from controller.api.base import JsonObject
from controller.api.timestamps import format_time
from controller.cli import main
from controller.ledger.entry import Entry, entry_of
from controller.ledger.tables import row_of
from controller.plan import plan
from controller.plan.snapshot_reader import read_snapshot
from tests.unit.plan.stories import document_of
from tests.unit.stores.scripted_run import Life, Play
from tests.unit.stores.test_ledger_reading import keep
from tests.unit.stores.test_replay import story

replay = importlib.import_module("controller.cli.replay")
PAGE = Path(__file__).parents[3] / "docs/replay.md"
AT = datetime(2026, 1, 1, 12, tzinfo=UTC)


def replayed(url: str, *options: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(main, ["replay", "--ledger", url, *options])


def played(run: str, policy: JsonObject, *lives: Life) -> list[dict[str, Any]]:
    """Return the rows of a Run that a scripted agent lives through."""
    found = []
    for row in Play(policy, lives, run=run).rows():
        values = {field: getattr(row, field) for field in ("namespace", "run", "rule", "phase", "reason", "digest")}
        documents = {"snapshot": row.snapshot, "plan": row.plan, "outcome": row.outcome}
        found.append(values | documents | {"run_uid": row.uid, "at": format_time(row.at)})
    return found


def entry(name: str, **changes: Any) -> Entry:
    """Return what the ledger keeps of a pass in a story's situation."""
    snapshot, now = read_snapshot(document_of(story(name)))
    decision = plan(snapshot, now)
    return replace(entry_of(snapshot, decision, decision.actions, "", now), **changes)


def row(name: str, **changes: Any) -> dict[str, Any]:
    """Return the row of a pass in a story's situation."""
    return row_of(entry(name, **changes))


RESTART = "budget-of-one-restarts-one-of-two"


@pytest.fixture
def older(url: str) -> str:
    """A ledger of three decisions, of which a former operator made one otherwise."""
    document = entry(RESTART).plan
    changed = [document["actions"][0] | {"reason": "Crashed"}]
    former = row(RESTART, run="fix", plan=document | {"actions": changed})
    keep(url, row(RESTART), former, row(RESTART, namespace="other", at=AT + timedelta(hours=1)))
    return url


def test_a_ledger_of_this_program_is_reproduced(url: str) -> None:
    """SQLite and PostgreSQL alike: exit 0, and one line for the scope and one for the result."""
    keep(url, row(RESTART), row(RESTART, uid="run-2", at=AT + timedelta(hours=1)))
    done = replayed(url)
    scope = "2 decisions of 2 Runs, 2026-01-01T12:00:00Z to 2026-01-01T13:00:00Z"
    assert (done.exit_code, done.output) == (0, f"{scope}\n2 reproduced, 0 different\n")


def test_a_decision_that_changed_is_named_and_the_exit_code_is_one(older: str) -> None:
    """The line has the row, the time, the Run, and what differs."""
    done = replayed(older)
    assert (done.exit_code, done.output.splitlines()[1]) == (1, "2 reproduced, 1 different")
    assert re.search(r'^2  +2026-01-01T12:00:00Z +ns/fix +different +actions: .*"Crashed".* -> ', done.output, re.MULTILINE)


def test_json_has_the_same_for_programs(older: str) -> None:
    """The findings are objects; nothing else is on stdout."""
    done = replayed(older, "-o", "json")
    found = json.loads(done.stdout)
    assert (done.exit_code, found["decisions"], found["different"], found["unlisted"]) == (1, 3, 1, 0)
    (finding,) = found["findings"]
    assert (finding["id"], finding["namespace"], finding["run"]) == (2, "ns", "fix")
    assert [each["field"] for each in finding["differences"]] == ["actions"]


@pytest.mark.parametrize(
    ("options", "decisions"),
    [
        (["-n", "other"], 1),
        (["--run", "fix"], 1),
        (["--since", "2026-01-01T12:30:00Z"], 1),
        (["--until", "2026-01-01T13:30:00+01:00"], 2),
        (["--since", "520w"], 3),
    ],
)
def test_a_part_of_a_ledger_is_selected(older: str, options: list[str], decisions: int) -> None:
    """By namespace, name and time; a time may be an age."""
    assert json.loads(replayed(older, "-o", "json", *options).stdout)["decisions"] == decisions


def test_rows_that_cannot_be_judged_are_counted_and_named(tmp_path: Path) -> None:
    """They are no difference; if there is nothing else, nothing was proven, and the exit code is 2."""
    url = f"sqlite:///{tmp_path}/l.db"
    keep(url, row(RESTART), {"snapshot": "{", "run": "\x1b[31mred"})
    done = replayed(url)
    assert (done.exit_code, done.output.splitlines()[2]) == (0, "not judged: 1 damaged")
    assert "\x1b" not in done.output
    assert replayed(url, "-n", "ns", "--since", "2026-01-02T00:00:00Z").exit_code == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--run", "nobody"], "no decision of the ledger is selected: it has 3, from 2026-01-01T12:00:00Z to 2026-01-01T13:00:00Z"),
        (["--since", "yesterday"], "'yesterday' is no time: give one with a zone, 2026-01-31T12:00:00Z, or an age, 7d"),
        (["--since", "2026-01-01"], "'2026-01-01' is no time"),
        (["--since", "7d", "--until", "8d"], "must be after --since"),
        (["--jobs", "0"], "--jobs"),
    ],
)
def test_an_option_that_selects_nothing_is_explained(tmp_path: Path, options: list[str], message: str) -> None:
    """The exit code is 2, so that no script takes an empty selection for a success."""
    url = f"sqlite:///{tmp_path}/l.db"
    keep(url, row(RESTART), row(RESTART), row(RESTART, at=AT + timedelta(hours=1)))
    done = replayed(url, *options)
    assert done.exit_code == 2
    assert message in done.output


@pytest.mark.parametrize("name", ["none.db", "empty.db"])
def test_a_url_without_a_ledger_is_explained(tmp_path: Path, name: str) -> None:
    """One line, without a traceback."""
    (tmp_path / "empty.db").touch()
    done = replayed(f"sqlite:///{tmp_path}/{name}")
    assert (done.exit_code, done.output.count("\n")) == (2, 1)
    assert done.output.startswith(f"runwatchman: sqlite:///{tmp_path}/{name}")


def test_a_killed_process_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel without memory kills one of the processes: the others end, and the message has the remedy."""
    url = f"sqlite:///{tmp_path}/l.db"
    keep(url, row(RESTART))
    monkeypatch.setattr(replay, "Audit", partial(os._exit, 137))
    done = replayed(url, "--jobs", "2")
    assert (done.exit_code, done.output.count("\n")) == (2, 1)
    assert "a process of the replay was killed" in done.output


def test_an_interrupted_replay_is_no_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C has an exit code of its own, so that no script takes it for a plan that differs."""
    url = f"sqlite:///{tmp_path}/l.db"
    keep(url, row(RESTART))
    monkeypatch.setattr(replay, "judge_all", Mock(side_effect=KeyboardInterrupt))
    done = replayed(url)
    assert (done.exit_code, done.output) == (130, "runwatchman: interrupted: no result is printed\n")


def test_a_ledger_without_a_decision_is_explained(url: str) -> None:
    """Its operator has not acted yet."""
    keep(url)
    done = replayed(url)
    assert (done.exit_code, done.output) == (
        2,
        "runwatchman: this ledger has no decision yet: the operator records one with each pass that acts\n",
    )


CRASHES = (Life(100, 1), Life(100, 1), Life(50))


def test_a_candidate_is_compared(url: str, tmp_path: Path) -> None:
    """In both databases: exit 0, since a difference is what was asked for. The same in any number of processes."""
    (tmp_path / "policy.yaml").write_text("restartBudget: 1\n")
    keep(url, *played("fix", {}, *CRASHES), *played("other", {}, Life(50)))
    outputs = [replayed(url, "--policy", str(tmp_path / "policy.yaml"), "-o", "json", "--jobs", jobs) for jobs in ("1", "2")]
    assert [done.exit_code for done in outputs] == [0, 0]
    assert outputs[0].stdout == outputs[1].stdout
    found = json.loads(outputs[0].stdout)
    assert (found["runsTheSame"], found["runsParted"], found["judged"]) == (1, 1, 5)
    assert found["effects"]["escalation"] == {"avoided": 0, "added": 1, "later": 0, "sooner": 0}


def test_a_wrong_policy_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    """Each mistake is named as `policy check` names it."""
    (tmp_path / "policy.yaml").write_text("restartBuget: 1\nunhealthyConfirmations: 0\n")
    done = replayed(f"sqlite:///{tmp_path}/none.db", "--policy", str(tmp_path / "policy.yaml"))
    assert done.exit_code == 2
    assert "policy.yaml: restartBuget: unknown field: did you mean restartBudget?" in done.output
    assert "policy.yaml: unhealthyConfirmations: " in done.output
    assert "no such file" not in done.output


def test_the_page_shows_what_a_candidate_leads_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The policy on docs/replay.md, on a ledger of three Runs, leads to the page's output."""
    monkeypatch.chdir(tmp_path)
    text = PAGE.read_text()
    given = re.search(r"```yaml\n(.*?)```", text, re.DOTALL)
    shown = re.search(r"```console\n\$ runwatchman replay (--ledger \S+ --policy \S+)\n(.*?)```", text, re.DOTALL)
    assert given
    assert shown
    words = shown[1].split()
    Path(words[-1]).write_text(given[1])
    hasty = {"health": {"activityStalledSeconds": 300}}
    runs = [played("upgrade-deps", hasty, Life(1500, 0, (200, 900)), Life(300)), played("fix-flaky-test", {}, *CRASHES)]
    keep(words[1], *(row for run in [*runs, played("docs", {}, Life(400))] for row in run))
    assert CliRunner().invoke(main, ["replay", *words]).output == shown[2]


def test_the_page_shows_what_the_command_prints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The output on docs/replay.md, which is of a ledger whose operator named a reason otherwise, is the command's."""
    monkeypatch.chdir(tmp_path)
    shown = re.search(r"```console\n\$ runwatchman replay (--ledger \S+)\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert shown
    document = entry(RESTART).plan
    former = row(RESTART, run="fix-flaky-test", plan=document | {"reason": "Working"}, at=AT + timedelta(minutes=4))
    keep(shown[1].removeprefix("--ledger "), row(RESTART), former, row(RESTART, uid="run-2", at=AT + timedelta(hours=1)))
    assert CliRunner().invoke(main, ["replay", *shown[1].split()]).output == shown[2]
