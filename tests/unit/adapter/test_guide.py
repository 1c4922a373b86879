"""docs/advisor.md is correct: its configurations load, its answer passes the gate, and its tables match the code."""

from __future__ import annotations

import json
import re
from pathlib import Path

import yaml

from controller.adapter.command import EXIT_CODES
from controller.adapter.commands import parse_commands
from controller.adapter.presets.raw import Raw
from controller.advisor.answer_gate import Answer, judge
from controller.api.advice import AdvisedIntent
from controller.api.base import JsonObject
from controller.api.policy_file import parse_policy_file
from tests.unit.adapter.scripts import request

GUIDE = (Path(__file__).parents[3] / "docs/advisor.md").read_text()


def codes(pattern: str) -> list[str]:
    """Return the code blocks that begin with this text."""
    return [code for code in re.findall(r"`([^`\n]+)`", GUIDE) if code.startswith(pattern)]


def test_configurations_are_taken() -> None:
    """Each configuration of the guide is valid: the file loads, and the policy names a command that the file registers."""
    registered = {name for text in codes("commands: ") for name in parse_commands(text)}
    named = [parse_policy_file(text).llm.command for text in codes("llm: {")]
    assert registered == {"codex", "claude", "local"}
    assert set(named) == registered


def test_a_provider_of_ones_own_is_a_list_of_arguments(tmp_path: Path) -> None:
    """The quoting of YAML and of codex's TOML is right in combination."""
    (text,) = codes("args: ")
    given: JsonObject = yaml.safe_load(text)
    command = parse_commands(json.dumps({"commands": {"codex": {"preset": "codex", **given}}}))["codex"]
    assert 'env_key="MY_KEY"' in command.invocation(request("codex"), tmp_path).argv[5]


def test_the_answer_passes_the_gate() -> None:
    """The example answer passes the gate."""
    example = re.search(r"```json\n(.*?)```", GUIDE, re.DOTALL)
    assert example
    assert isinstance(judge(example[1].encode(), "default/hello", (AdvisedIntent.AUTO_RESTART,)), Answer)


def test_every_exit_code_is_told() -> None:
    """The guide lists every exit code that a command can use."""
    table = GUIDE.split("| Exit code | Means |")[1].split("\n\n")[0]
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)] == list(EXIT_CODES)


def test_what_raw_adds_to_the_document_is_told(tmp_path: Path) -> None:
    """Every field of the document is in the table."""
    given = json.loads(Raw("r", ("r",)).invocation(request("r"), tmp_path).stdin)
    table = GUIDE.split("| In the document | |")[1].split("\n\n")[0]
    told = set(re.findall(r"`(\w+)`", table))
    assert given.keys() - request("r").document.keys() <= told
    assert {"version", "target_run", "rules_want", "allowed_intents", "facts", "untrusted"} <= told
