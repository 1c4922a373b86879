"""The documentation is correct: its links lead to files, and its examples work as described."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner

from controller.advisor.rejections import RefusalReason
from controller.api.base import JsonObject, dump
from controller.api.checks import check_run, parse_run_spec
from controller.api.policy import RunPolicySpec
from controller.api.policy_file import parse_policy_file
from controller.cli import main
from controller.cli.rw import rw
from controller.plan.reasons import Reason
from controller.status.condition_reasons import ConditionReason

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
PLUGIN = re.compile(r"(?:^|`|\$ )kubectl rw ([a-z]+)([^`\n]*)", re.MULTILINE)
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files(page: Path) -> None:
    """Every relative link of a page is a file of the project."""
    dead = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert dead == []


@pytest.mark.parametrize(
    ("page", "file", "words"),
    [("plan.md", "snapshot.yaml", ("plan", "-f")), ("policies.md", "policy.yaml", ("policy", "check"))],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_example_is_what_the_command_prints(tmp_path: Path, page: str, file: str, words: tuple[str, ...]) -> None:
    """The command of a page, run on the page's first YAML, prints the page's output exactly."""
    text = (ROOT / "docs" / page).read_text()
    given = re.search(r"```yaml\n(.*?)```", text, re.DOTALL)
    printed = re.search(rf"```console\n\$ runwatchman {' '.join(words)} {re.escape(file)}\n(.*?)```", text, re.DOTALL)
    assert given
    assert printed
    (tmp_path / file).write_text(given[1])
    done = CliRunner().invoke(main, [*words, str(tmp_path / file)])
    assert (done.exit_code, done.output.removeprefix(f"{tmp_path}/")) == (0, printed[1])


def test_the_refused_policy_is_refused_in_the_words_of_the_page() -> None:
    """The mistakes on the policies' page lead to exactly the errors on the page."""
    shown = re.search(r"\$ echo '(.*)' \| runwatchman policy check -\n(.*?)```", (ROOT / "docs/policies.md").read_text(), re.DOTALL)
    assert shown
    done = CliRunner().invoke(main, ["policy", "check", "-"], input=shown[1])
    assert (done.exit_code, done.output) == (1, shown[2])


EXAMPLES = [*(ROOT / "manifests/examples").glob("*.yaml"), *(ROOT / "manifests/examples/agents").glob("*.yaml")]


@pytest.mark.parametrize("path", sorted(EXAMPLES), ids=lambda path: path.stem)
def test_examples_are_runs_that_the_operator_takes(path: Path) -> None:
    """Every example is a valid Run, except for the one that shows a refusal."""
    runs = [obj for obj in yaml.safe_load_all(path.read_text()) if obj["kind"] == "Run"]
    assert len(runs) == 1
    assert bool(check_run(parse_run_spec(runs[0]))) == (path.stem == "refused")


def test_the_readmes_run_is_the_example() -> None:
    """The README's Run, which a newcomer types first, is the one of the demo."""
    text = (ROOT / "README.md").read_text()
    typed: JsonObject = yaml.safe_load(text.split("apply -f - <<'END'\n")[1].split("END\n")[0])
    shown: JsonObject = yaml.safe_load((ROOT / "manifests/examples/hello.yaml").read_text())
    assert typed == shown


def _wishes() -> list[str]:
    """Return the YAML of the policies' page, one piece per row."""
    rows = (ROOT / "docs/policies.md").read_text().split("| You want | Write |")[1].split("\n## ")[0]
    cells = [row.split("|")[2] for row in rows.splitlines()[2:] if row.startswith("|")]
    return [piece for cell in cells for piece in re.findall(r"`([a-zA-Z]+: [^`]+)`", cell)]


@pytest.mark.parametrize("piece", _wishes())
def test_what_the_policies_page_says_to_write_is_taken(piece: str) -> None:
    """Every piece of YAML on the page is a policy, or a part of its llm."""
    inner = f"llm: {{{piece}}}" if piece.startswith("onApprovalTimeout") else piece
    assert parse_policy_file(inner) != RunPolicySpec()


def test_the_policies_page_has_every_fields_default() -> None:
    """Each field's row has the models' default: the table is made from the CRD, which has it from the models."""
    rows = dict(re.findall(r"^\| `(\S+)` \| (.*)$", (ROOT / "docs/policies.md").read_text(), re.MULTILINE))
    for path, value in _leaves(dump(RunPolicySpec())):
        assert value in ([], None) or f"`{json.dumps(value)}`" in rows[path] or "both when not set" in rows[path], path


def _leaves(values: JsonObject, prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def test_every_reason_and_alert_has_its_row_in_troubleshooting() -> None:
    """Each reason of the plan, of a condition and of the gate, and each alert, has one row, and each row is about one of them."""
    rows = re.findall(r"^\| (`[^|]+`) \| ([^|]+) \| ([^|]+) \|$", (ROOT / "docs/troubleshooting.md").read_text(), re.MULTILINE)
    told = [name for names, _, _ in rows for name in re.findall(r"`(\w+)`", names)]
    alerts = [alert["alert"] for alert in yaml.safe_load((ROOT / "charts/runwatchman/files/alerts.yaml").read_text())]
    assert sorted(told) == sorted([*Reason, *ConditionReason, *RefusalReason, *alerts])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_plugins_commands_are_typed_right(page: Path) -> None:
    """Every `kubectl rw` on a page is a command of the plugin, and accepts the options and arguments that are shown."""
    context = click.Context(rw)
    for verb, rest in PLUGIN.findall(page.read_text().replace("\\\n", " ")):
        command = rw.get_command(context, verb)
        assert command is not None, verb
        words = shlex.split(rest, comments=True)
        with context, command.make_context(verb, words, parent=context, resilient_parsing=not words):
            pass
