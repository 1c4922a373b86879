"""The installer's file of commands: the names it registers, and the errors it is refused for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from controller.adapter.commands import CommandsFileError, load, parse_commands
from controller.adapter.contract import Request
from controller.adapter.presets.claude import Claude
from controller.adapter.presets.codex import CREDENTIALS, Codex
from controller.adapter.presets.raw import Raw

GIVEN = {
    "codex": {"preset": "codex", "args": ["-c", "model_provider=mine"], "environment": ["MY_KEY"]},
    "sonnet": {"preset": "claude"},
    "local": {"preset": "raw", "argv": ["python3", "/etc/advisor/local.py"], "environment": ["ADVISOR_KEY"]},
}


def test_file_registers_commands_by_name(tmp_path: Path) -> None:
    """The installer chooses the names; a preset keeps its own credentials in addition to those that the file names."""
    path = tmp_path / "commands.yaml"
    path.write_text(json.dumps({"commands": GIVEN}))
    commands = load(path)
    assert commands == {
        "codex": Codex("codex", ("-c", "model_provider=mine"), CREDENTIALS | {"MY_KEY"}),
        "sonnet": Claude("sonnet"),
        "local": Raw("local", ("python3", "/etc/advisor/local.py"), frozenset({"ADVISOR_KEY"})),
    }
    assert all(name == command.name for name, command in commands.items())


def test_without_a_file_the_presets_are_registered() -> None:
    """A policy's default command works at once; the raw preset has no command to run."""
    assert load(None) == {"codex": Codex("codex"), "claude": Claude("claude")}


REFUSED = [
    ("", "commands: this field is required"),
    ("null", "file: must be an object, as in {commands:"),
    ("[]", "file: must be an object, as in {commands:"),
    ("commands: [", "file: is neither YAML nor JSON"),
    ("commands: []", "commands: must be an object, as in"),
    ("comands: {}", "commands: this field is required; comands: unknown field: remove it, or check its spelling"),
    ("commands: {a: null}", "commands.a: must be an object"),
    ("commands: {a: {argv: [x]}}", "commands.a: preset is required: codex, claude or raw"),
    ("commands: {a: {preset: gpt}}", "commands.a: preset must be codex, claude or raw"),
    ("commands: {a: {preset: raw}}", "commands.a.argv: this field is required"),
    ("commands: {a: {preset: raw, argv: []}}", "commands.a.argv: must have at least the program"),
    (
        "commands: {a: {preset: raw, argv: sh -c x}}",
        "commands.a.argv: must be a list of strings such as [python3, /etc/advisor/local.py]",
    ),
    ("commands: {a: {preset: raw, argv: [1]}}", "commands.a.argv.0: must be a text of at most 32768 characters without NUL: put"),
    ('commands: {a: {preset: raw, argv: ["a\\0b"]}}', "commands.a.argv.0: must be a text"),
    ("commands: {a: {preset: codex, argv: [x]}}", "commands.a.argv: unknown field"),
    ("commands: {a: {preset: claude, environment: [A=b]}}", "commands.a.environment.0: must be the name of an environment"),
    ('commands: {"": {preset: codex}}', "commands."),
    ('commands: {"  ": {preset: codex}}', "commands."),
    ("commands: {a: {preset: codex}, a: {preset: claude}}", "commands.a: is set twice (line 1): keep one"),
    ("commands: {a: {preset: codex, args: [!!float .nan]}}", "file: has a value that JSON cannot hold"),
    ("commands: {a: {preset: codex, args: [!!python/none x]}}", "file: is neither YAML nor JSON"),
    ("[" * 5000, "file: "),
    ("? [a]\n: b", "file: keys must be strings (line 1)"),
    ("!!python/object/apply:os.system [x]", "file: is neither YAML nor JSON"),
]


@pytest.mark.parametrize(("text", "says"), REFUSED)
def test_file_that_cannot_be_used_is_refused_with_the_place_and_the_remedy(text: str, says: str) -> None:
    """A file with a mistake is refused as a whole; the message names the place and the allowed values."""
    with pytest.raises(CommandsFileError) as refusal:
        parse_commands(text)
    assert str(refusal.value).startswith(says)


def test_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A missing mount is reported by its path, and so is an error in the file."""
    with pytest.raises(CommandsFileError, match=r"/none\.yaml: cannot be read"):
        load(tmp_path / "none.yaml")
    (tmp_path / "bad.yaml").write_text("commands: []")
    with pytest.raises(CommandsFileError, match=r"/bad\.yaml: commands: must"):
        load(tmp_path / "bad.yaml")


HOSTILE = "--dangerously-skip-permissions"


@pytest.mark.parametrize("command", [Codex("a"), Claude("a"), Raw("a", ("a",))], ids=["codex", "claude", "raw"])
def test_nothing_of_a_run_is_a_word_of_argv(command: Codex | Claude | Raw, tmp_path: Path) -> None:
    """The prompt and the document are passed on stdin only, and a policy's model cannot become an option of the command."""
    request = Request("a", HOSTILE, 1, 1, HOSTILE, HOSTILE, {"said": HOSTILE}, HOSTILE, {"type": "object"})
    invocation = command.invocation(request, tmp_path)
    assert HOSTILE not in invocation.argv
    assert HOSTILE.encode() in invocation.stdin
    assert HOSTILE not in invocation.environment.values()
    assert any(word == f"--model={HOSTILE}" for word in invocation.argv) == (not isinstance(command, Raw))


def test_the_operator_refuses_them_at_its_start(tmp_path: Path) -> None:
    """With --adapter=local a broken file ends the operator before it connects to a cluster, with the same message."""
    (tmp_path / "commands.yaml").write_text("commands: {local: {preset: raw}}")
    options = ["operator", "--adapter=local", "--adapter-commands", str(tmp_path / "commands.yaml")]
    # Runs in a process of its own, because the command configures the logs of its process.
    done = subprocess.run([sys.executable, "-m", "controller", *options], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "commands.local.argv: this field is required" in done.stderr
