"""The cost of a process tree, read from /proc."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from tests.bench.openloop.cores import busy
from tests.bench.procfs import reset_peak, tree, usage

MIB = 2**20
SPENDS = "import time\nwhile time.process_time() < 0.3: pass"
CHILD = f"import sys; held = b'x' * (80 * {MIB}); print(flush=True); sys.stdin.read()"
PARENT = f"""
import subprocess, sys
subprocess.run([sys.executable, "-c", {SPENDS!r}], check=True)
held = b"x" * (50 * {MIB})
del held
subprocess.run([sys.executable, "-c", {CHILD!r}], check=True)
"""


def test_children_count_the_living_and_the_dead() -> None:
    """CPU includes a child that has ended, memory includes one that lives, and a peak restarts when it is reset."""
    with subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        process.stdout.readline()
        assert len(tree(process.pid)) == 2
        found = usage(process.pid)
        assert found.cpu >= 0.3
        assert found.resident > 80 * MIB
        assert found.peak > 130 * MIB
        reset_peak(process.pid)
        assert usage(process.pid).peak < found.peak - 40 * MIB
        process.stdin.close()


def test_a_tree_has_its_root_first() -> None:
    """A process without children is its whole tree; its parent is not part of it."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
        assert tree(process.pid) == [process.pid]
        assert process.pid in tree(os.getpid())
        assert process.stdin
        process.stdin.close()


def test_busy_cores_are_those_of_the_context() -> None:
    """A program that computes makes a core busy."""
    with busy() as cores:
        begun = time.process_time()
        while time.process_time() - begun < 0.3:
            pass
    assert cores() > 0
