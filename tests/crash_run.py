"""A test run that is killed: a process that brings a cluster up and gets SIGKILL, so that nothing of it can clean up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.support import await_that

ROOT = Path(__file__).parent.parent


def killed(script: str, when: Callable[[], object]) -> None:
    """Run a Python script until a condition is true, then kill it. What it started has no process group of its own to go with."""
    process = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        await_that(lambda: when() or process.poll() is not None, "the run to come so far")
        assert process.poll() is None, process.communicate()[1][-2000:]
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
