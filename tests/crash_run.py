"""A test run that is killed: a process that creates a cluster and gets SIGKILL, so that it cannot clean up."""

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
    """Run a Python script until a condition is true, then kill it.

    Its child processes are not in a process group that ends with it.
    """
    process = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        await_that(lambda: when() or process.poll() is not None, "the run to come so far")
        assert process.poll() is None, process.communicate()[1][-2000:]
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
