"""What the operator's start is spared: modules that take their time and memory, and that an operator without options never uses.

How many seconds it takes is `tests/bench/ready.py`'s to tell: a busy machine proves nothing.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from controller.__main__ import SIGNALLED

START = """
import sys
from controller.__main__ import main
sys.argv = ["runwarden", "operator", "--kubeconfig", sys.argv[1], "--metrics-port", "-1", "--health-port", "-1"]
try:
    main()
except SystemExit:
    print(*sys.modules)
"""
"""The operator's start up to the moment that it finds no API server."""


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> frozenset[str]:
    """The modules that were imported by a start."""
    nowhere: Path = tmp_path_factory.mktemp("start") / "config"
    nowhere.write_text("")
    done = subprocess.run([sys.executable, "-c", START, str(nowhere)], capture_output=True, text=True, check=False)
    assert "no credentials for an API server" in done.stderr
    return frozenset(done.stdout.split())


def test_the_operator_was_there(imported: frozenset[str]) -> None:
    """The start went as far as it should: what it needs is imported."""
    assert {"controller.runtime.operator", "kopf", "aiohttp", "kubernetes.aio.client"} <= imported


@pytest.mark.parametrize(
    "module",
    ["requests", "requests_oauthlib", "websocket", "kubernetes.config", "kubernetes.stream", "sqlalchemy", "alembic", "apprise"],
)
def test_a_start_is_spared(imported: frozenset[str], module: str) -> None:
    """The synchronous Kubernetes client, databases and notifications are not imported for an operator that needs none."""
    assert module not in imported


TOLD_TO_END = """
import os, signal, sys, types
from controller.__main__ import main
sys.modules["controller.cli"] = early = types.ModuleType("early")
early.main = lambda: os.kill(os.getpid(), signal.SIGTERM)
sys.argv = ["runwarden", "operator"]
main()
"""
"""A start that is told to end before its command has said what it does about that."""


def test_who_is_told_to_end_while_it_starts_ends() -> None:
    """SIGTERM is handled from the first moment: as a container's first process it would not even hear it otherwise."""
    done = subprocess.run([sys.executable, "-c", TOLD_TO_END], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (SIGNALLED + signal.SIGTERM, "")
