"""docs/simulate.md: its commands print what it shows, and its fields and scenarios are those of the program."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from controller.api.policy_file import parse_policy_file
from controller.cli import main
from controller.simulation import pool
from controller.simulation.pool import Case
from controller.simulation.result import RunResult
from controller.simulation.scenario import read_scenario
from controller.simulation.shipped import names

PAGE = (Path(__file__).parents[3] / "docs/simulate.md").read_text()
POLICIES = dict(zip(("eager.yaml", "patient.yaml"), re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL), strict=False))
SHOWN = re.findall(r"```console\n\$ runwatchman (simulate [^\n]*)\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def played_once() -> Callable[..., list[list[RunResult]]]:
    """Plays each policy of the page once, although two of the commands play the same."""
    known: dict[str, list[RunResult]] = {}
    really = pool.play

    def play(cases: Sequence[Case], runs: int, seed: int, *rest: Any) -> list[list[RunResult]]:
        names = [repr((case.scenario, case.policy.spec, runs, seed)) for case in cases]
        new = {name: case for name, case in zip(names, cases, strict=True) if name not in known}
        known.update(zip(new, really(list(new.values()), runs, seed, *rest), strict=True))
        return [known[name] for name in names]

    return play


@pytest.mark.parametrize(("command", "printed"), SHOWN, ids=["eager", "sweep", "compared"])
def test_the_commands_of_the_page_print_what_it_shows(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    played_once: Callable[..., list[list[RunResult]]],
    command: str,
    printed: str,
) -> None:
    """On the policies of the page, byte for byte: the results are the same on every machine."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pool, "play", played_once)
    for name, text in POLICIES.items():
        (tmp_path / name).write_text(text)
        parse_policy_file(text)
    done = CliRunner().invoke(main, shlex.split(command))
    assert (done.exit_code, done.stdout) == (0, printed)


def test_the_scenario_of_the_page_is_one() -> None:
    """The last YAML is a scenario, and the table of scenarios lists those that are shipped."""
    assert read_scenario(re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[2].encode()).agent.keeps_work == 0.8
    assert re.findall(r"^\| `([a-z-]+)` \| [A-Za-z ]+", PAGE.split("## Scenarios")[1].split("```")[0], re.MULTILINE) == [
        "nightly-refactoring",
        "provider-limits",
        "long-builds",
    ]
    assert len(names()) == 3
