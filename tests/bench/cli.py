"""The start time of `kubectl rw`, or of a single file of it: `make startup STARTUP_ARGS=dist/kubectl-rw-linux-amd64`.

kubectl is a script that answers at once, so that the figures are the plugin's own. The shortest of many runs is the cost of the
code; the median also shows the load of the machine.
"""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

ROUNDS = 30
MILLISECONDS = 1000
RUN = (
    '{"metadata":{"name":"hello","namespace":"default","uid":"u"},"spec":{"agents":[{"name":"coder","image":"x"}]},'
    '"status":{"phase":"Running"}}'
)
SCRIPT = f"""#!/bin/sh
case "$*" in
auth*) echo '{{"status":{{"userInfo":{{"username":"alice"}}}}}}';;
"get runs.runwatchman.dev hello"*) echo '{RUN}';;
"get runs"*) echo '{{"items":[{RUN}]}}';;
*) echo '{{"items":[]}}';;
esac
"""
COMMANDS = (("--version",), ("--help",), ("get",), ("inbox",), ("describe", "hello"), ("explain", "hello"))


def main() -> None:
    """Measure each command and print a line for it."""
    program = shutil.which(sys.argv[1] if sys.argv[1:] else "kubectl-rw")
    if program is None:
        sys.exit("no such program: name a file of `make cli` by its path, or run this by scripts/run")
    with tempfile.TemporaryDirectory() as folder:
        kubectl = Path(folder) / "kubectl"
        kubectl.write_text(SCRIPT)
        kubectl.chmod(0o755)
        env = os.environ | {"KUBECTL": str(kubectl)}
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        machine = f"load average {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores, Python {sys.version.split()[0]}"
        click.echo(f"{machine}, {ROUNDS} rounds")
        for words in COMMANDS:
            click.echo(_line(words, *_measure([program, *words], env)))


def _measure(command: list[str], env: dict[str, str]) -> tuple[list[float], list[float]]:
    """Return the wall and the CPU seconds of each round, with children; the first round compiles and is left out."""
    walls, cpus = [], []
    for _ in range(ROUNDS + 1):
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        walls.append(time.perf_counter() - start)
        cpus.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return walls[1:], cpus[1:]


def _line(words: tuple[str, ...], walls: list[float], cpus: list[float]) -> str:
    shortest, median, cpu = (value * MILLISECONDS for value in (min(walls), statistics.median(walls), min(cpus)))
    return f"kubectl rw {' '.join(words):<16} {shortest:5.0f} ms shortest {median:5.0f} ms median {cpu:5.0f} ms CPU"


if __name__ == "__main__":
    main()
