"""The operator's start imports no slow or large modules that an operator without options never uses.

`tests/bench/ready.py` measures the seconds: a busy machine proves nothing.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest

from controller.__main__ import SIGNALLED
from controller.cli import SUMMARIES
from controller.cli import main as cli

START = """
import sys
from controller.__main__ import main
sys.argv = ["runwatchman", "operator", "--kubeconfig", sys.argv[1], "--metrics-port", "-1", "--health-port", "-1"]
try:
    main()
except SystemExit:
    print(*sys.modules)
"""
"""The operator's start up to the moment in which it finds no API server."""


@pytest.fixture(scope="module")
def nowhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty kubeconfig."""
    (path := tmp_path_factory.mktemp("start") / "config").write_text("")
    return path


@pytest.fixture(scope="module")
def imported(nowhere: Path) -> frozenset[str]:
    """Return the modules that a start has imported."""
    return modules_of(START, nowhere)


def modules_of(program: str, kubeconfig: Path) -> frozenset[str]:
    """Run a start, which finds no API server, and return the modules that it has imported."""
    done = subprocess.run([sys.executable, "-c", program, str(kubeconfig)], capture_output=True, text=True, check=False)
    assert "no credentials for an API server" in done.stderr
    return frozenset(done.stdout.split())


def test_the_operator_was_there(imported: frozenset[str]) -> None:
    """The start went far enough: the needed modules are imported."""
    assert {"controller.runtime.operator", "kopf", "aiohttp", "kubernetes.aio.client", "uvloop"} <= imported


def test_it_starts_without_uvloop(nowhere: Path) -> None:
    """Where uvloop is not installed, as on Windows, asyncio's own loop runs the operator up to the same moment."""
    found = modules_of(f"import sys; sys.modules['uvloop'] = None\n{START}", nowhere)
    assert {"controller.runtime.operator", "kopf", "aiohttp"} <= found


@pytest.mark.parametrize(
    "module",
    ["requests", "requests_oauthlib", "websocket", "kubernetes.config", "kubernetes.stream", "sqlalchemy", "alembic", "apprise"],
)
def test_a_start_is_spared(imported: frozenset[str], module: str) -> None:
    """Without options, the synchronous Kubernetes client, databases and notifications are not imported."""
    assert module not in imported


HELP = "import sys; from controller.cli import main; main(['--help'], standalone_mode=False); print('MODULES', *sys.modules)"


def test_help_imports_no_command() -> None:
    """`runwatchman --help` needs only click: it lists the commands without importing them."""
    done = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.partition("MODULES")[2].split()}
    assert loaded & {"aiohttp", "asyncio", "kopf", "kubernetes", "pydantic", "sqlalchemy", "structlog", "yaml"} == set()


@pytest.mark.parametrize(("name", "summary"), SUMMARIES.items())
def test_help_says_what_the_command_says(name: str, summary: str) -> None:
    """A summary is the first sentence of the command's own help."""
    command = cli.get_command(click.Context(cli), name)
    assert command
    assert command.get_short_help_str(len(summary)) == summary


TOLD_TO_END = """
import os, signal, sys, types
from controller.__main__ import main
sys.modules["controller.cli"] = early = types.ModuleType("early")
early.main = lambda: os.kill(os.getpid(), signal.SIGTERM)
sys.argv = ["runwatchman", "operator"]
main()
"""
"""A start that gets SIGTERM before its command has installed a handler."""


def test_term_during_start_ends_the_process() -> None:
    """SIGTERM is handled from the first moment: as a container's first process it would otherwise be ignored."""
    done = subprocess.run([sys.executable, "-c", TOLD_TO_END], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (SIGNALLED + signal.SIGTERM, "")
