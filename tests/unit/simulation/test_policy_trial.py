"""`runwatchman policy check --against-ledger`: five lines about what a policy would have changed and what it would cost."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from controller.cli import main
from controller.ledger.reading import Row
from tests.unit.simulation.simulated_ledger import write_ledger


@pytest.fixture
def url(ledger: list[Row], tmp_path: Path) -> str:
    """Return the URL of a ledger of some sixty Runs."""
    written = f"sqlite:///{tmp_path / 'ledger.db'}"
    write_ledger(written, ledger[:400])
    return written


def check(tmp_path: Path, policy: str, url: str) -> Result:
    """Check a policy against a ledger."""
    file = tmp_path / "strict.yaml"
    file.write_text(policy)
    return CliRunner().invoke(main, ["policy", "check", str(file), "--against-ledger", url, "--runs", "60"])


def test_a_policy_is_summed_up_in_five_lines(tmp_path: Path, url: str) -> None:
    """A policy without restarts would have avoided those of the ledger, and completes fewer Runs than the recorded one."""
    done = check(tmp_path, "restartBudget: 0", url)
    assert done.exit_code == 0, done.output
    checked, read, replayed, scenario, simulated, verdict = done.stdout.splitlines()
    assert checked.endswith("strict.yaml: ok (differs from the defaults in restartBudget)")
    assert re.fullmatch(r"ledger: 400 decisions of \d+ Runs, .*Z; \d+% of the decisions can be judged", read)
    assert re.fullmatch(r"replay: \d+ of \d+ Runs would have gone otherwise: \d+ restarts avoided, .*", replayed)
    assert re.fullmatch(r"scenario: \d+ of 25 figures are fitted to the ledger; defaults: .*agent.quiet.*", scenario)
    assert re.match(
        r"simulation of 60 Runs: completed [0-9.]+ % \([0-9.]+ to [0-9.]+\), now [0-9.]+ %; restarts charged", simulated
    )
    assert "strict is better in" in verdict
    assert "restarts charged" in verdict
    assert verdict.endswith("than the recorded policy default")


def test_without_a_ledger_the_policy_is_still_checked(tmp_path: Path) -> None:
    """A valid policy is called so, and the exit code says that it was not compared."""
    done = check(tmp_path, "restartBudget: 0", f"sqlite:///{tmp_path}/none.db")
    assert (done.exit_code, done.stdout.count("\n")) == (2, 1)
    assert "there is no such file" in done.stderr


def test_an_invalid_policy_is_refused_before_the_ledger_is_read(tmp_path: Path) -> None:
    """As without a ledger."""
    done = check(tmp_path, "restartBudget: -1", "no URL")
    assert (done.exit_code, "restartBudget: must be a whole number" in done.stderr) == (1, True)
