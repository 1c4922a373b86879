"""The documentation tells the truth: its links lead somewhere, and its examples do what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from controller.api.base import JsonObject
from controller.api.checks import check_run, parse_run_spec
from controller.cli import main

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    """Every relative link of a page is a file of the project."""
    dead = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert dead == []


def test_the_plans_example_is_what_the_command_prints(tmp_path: Path) -> None:
    """docs/plan.md: its snapshot, typed in, gives its output to the letter."""
    text = (ROOT / "docs/plan.md").read_text()
    snapshot = re.search(r"```yaml\n(.*?)```", text, re.DOTALL)
    printed = re.search(r"```console\n\$ runwarden plan -f snapshot.yaml\n(.*?)```", text, re.DOTALL)
    assert snapshot
    assert printed
    (tmp_path / "snapshot.yaml").write_text(snapshot[1])
    done = CliRunner().invoke(main, ["plan", "-f", str(tmp_path / "snapshot.yaml")])
    assert (done.exit_code, done.output) == (0, printed[1])


@pytest.mark.parametrize("path", sorted((ROOT / "manifests/examples").glob("*.yaml")), ids=lambda path: path.stem)
def test_examples_are_runs_that_the_operator_takes(path: Path) -> None:
    """Every example is read as it stands, but for the one that shows a refusal."""
    runs = [obj for obj in yaml.safe_load_all(path.read_text()) if obj["kind"] == "Run"]
    assert len(runs) == 1
    assert bool(check_run(parse_run_spec(runs[0]))) == (path.stem == "refused")


def test_the_readmes_run_is_the_example() -> None:
    """What a newcomer types first is what the demo shows."""
    text = (ROOT / "README.md").read_text()
    typed: JsonObject = yaml.safe_load(text.split("apply -f - <<'END'\n")[1].split("END\n")[0])
    shown: JsonObject = yaml.safe_load((ROOT / "manifests/examples/hello.yaml").read_text())
    assert typed == shown
