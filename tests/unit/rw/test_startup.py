"""The plugin starts quickly because it does not load heavy modules; and it completes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from controller.cli.rw import LAZY, program_name, rw
from controller.cli.rw.completion import suggestions
from tests.unit.rw.fake import FakeKubectl
from tests.unit.rw.one_run import kubectl_with_one_run

HEAVY = {
    "aiohttp",
    "alembic",
    "asyncio",
    "kopf",
    "kubernetes",
    "prometheus_client",
    "psycopg",
    "pydantic",
    "sqlalchemy",
    "structlog",
}
"""Modules that are slow to import."""

PROGRAM = """
import json, sys
from controller.cli.rw import rw
try:
    rw.main(sys.argv[1:], prog_name="kubectl rw")
finally:
    print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""


@pytest.fixture
def kubectl(tmp_path: Path) -> FakeKubectl:
    return kubectl_with_one_run(tmp_path)


def loaded(kubectl: FakeKubectl, *args: str) -> set[str]:
    """Run the plugin in a process of its own and return the modules that it loaded."""
    command = [sys.executable, "-c", PROGRAM, *args]
    env = {"KUBECTL": str(kubectl.path), "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=Path(__file__).parents[3], check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize(
    "args", [("get",), ("describe", "hello"), ("inbox",), ("inbox", "q"), ("answer", "q", "yes")], ids=" ".join
)
def test_frequent_commands_load_nothing_heavy(kubectl: FakeKubectl, args: tuple[str, ...]) -> None:
    """Frequent commands load neither the operator's libraries nor pydantic's models."""
    assert loaded(kubectl, *args) & HEAVY == set()


def test_explain_loads_pydantic_and_no_more(kubectl: FakeKubectl) -> None:
    """It needs the models for the plan, and nothing of what only the operator needs."""
    assert loaded(kubectl, "explain", "hello") & HEAVY == {"pydantic"}


@pytest.mark.parametrize("module", ["importlib.metadata", "controller.api.run_status", "controller.api.crd"])
def test_explain_is_spared(kubectl: FakeKubectl, module: str) -> None:
    """Pydantic's search for plugins, and models that the plan does not read, would take a tenth of its time each."""
    assert module not in loaded(kubectl, "explain", "hello")


def test_help_loads_no_rich_either(kubectl: FakeKubectl) -> None:
    """Listing the commands imports all their modules, and none of the modules that render output."""
    assert loaded(kubectl, "--help") & (HEAVY | {"rich", "yaml"}) == set()


@pytest.mark.parametrize("name", sorted(LAZY))
def test_every_command_is_there_and_documented(name: str) -> None:
    """The lazy table leads to a command of this name, with a help text."""
    import click

    command = rw.get_command(click.Context(rw), name)
    assert command is not None
    assert command.name == name
    assert command.help


@pytest.mark.parametrize(
    ("path", "name"),
    [("/usr/bin/kubectl-rw", "kubectl rw"), ("kubectl-runwatchman", "kubectl runwatchman"), ("/x/__main__.py", "kubectl rw")],
)
def test_program_name(path: str, name: str) -> None:
    """Suggested commands begin with the program name that the user typed."""
    assert program_name(path) == name


def test_completion_as_kubectl_wants_it(kubectl: FakeKubectl, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line has one suggestion with its description after a tab; a directive keeps the shell from offering files."""
    monkeypatch.setenv("KUBECTL", str(kubectl.path))
    commands = suggestions([""]).splitlines()
    assert commands[-1] == ":4"
    assert {line.split("\t")[0] for line in commands[:-1]} == set(LAZY)
    assert suggestions(["describe", "he"]) == "hello\n:4\n"
    assert suggestions(["answer", "-n", "d", ""]) == "q\n:4\n"
    assert suggestions(["get", "--output", "y"]) == "yaml\n:4\n"
    assert suggestions(["run", "r", "--brief-file", ""]) == ":0\n"
    assert "--namespace=d" in kubectl.calls()[-1]


def test_completion_says_nothing_where_nothing_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unreachable cluster writes no error into the user's command line."""
    monkeypatch.setenv("KUBECTL", str(tmp_path / "nowhere"))
    assert suggestions(["describe", ""]) == ":4\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(kubectl: FakeKubectl, shell: str) -> None:
    """The completion script is for `kubectl-rw` typed as such."""
    done = kubectl.run("completion", shell)
    assert done.exit_code == 0
    assert "_KUBECTL_RW_COMPLETE" in done.stdout


IN_BASH = """
source <({program} completion bash)
COMP_WORDS=({program} {words} ''); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); COMP_WORDS[COMP_CWORD]={incomplete}
"$(complete -p {program} | sed 's/.*-F \\([^ ]*\\).*/\\1/')" {program}
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
"""Completes a command line as bash does when the user presses the tab key."""


@pytest.mark.parametrize(
    ("program", "words", "incomplete", "found"),
    [
        ("kubectl-rw", "", "desc", "describe"),
        ("kubectl-rw", "describe", "he", "hello"),
        ("kubectl-runwatchman", "get --output", "y", "yaml"),
        ("runwatchman", "", "op", "operator"),
        ("runwatchman", "completion", "f", "fish"),
    ],
)
def test_completion_in_bash(kubectl: FakeKubectl, program: str, words: str, incomplete: str, found: str) -> None:
    """The script that a program prints completes that program's commands and the names in the cluster."""
    code = IN_BASH.format(program=program, words=words, incomplete=incomplete)
    env = {"KUBECTL": str(kubectl.path), "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, env=env, check=False)
    assert (done.stdout, done.stderr) == (f"{found}\n", "")
