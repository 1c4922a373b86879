"""The cost of a reporter: `scripts/run python -m tests.bench.reporter [SECONDS]` prints its memory and share of a core.

It runs as in a pod, against a loopback API server over TLS, and takes every process of this machine for the agent's: more than any
pod has. Run it on a quiet machine.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from tests.bench.figures import MIB
from tests.bench.procfs import usage
from tests.cluster.certificates import make_certificates
from tests.cluster.processes import wait_until
from tests.unit.reporter.conftest import Reporting
from tests.unit.reporter.server import serving

FILES, PER_FOLDER = 100_000, 1000
QUIET = {"RUNWATCHMAN_REPORTER": "Full", "MALLOC_ARENA_MAX": "1"}
SETTLING_SECONDS = 5.0
NANOSECONDS = 1e9
EVENT = '{"type":"progress","message":"one of a million"}'
MILLION = 1_000_000


def main(seconds: float) -> None:
    """Print the figures: idle, with a large workspace, and during a flood of events."""
    with tempfile.TemporaryDirectory(prefix="runwatchman-bench-") as folder:
        make_certificates(Path(folder))
        for what, prepare in (("idle", nothing), (f"{FILES} files in the workspace", fill), ("a million events", flood)):
            (Path(folder) / what).mkdir()
            with serving(Path(folder)) as (server, port):
                reporting = Reporting(Path(folder) / what, server, port, Path(folder) / "ca.crt")
                prepare(reporting)
                measure(what, reporting, seconds)


def measure(what: str, reporting: Reporting, seconds: float) -> None:
    """Run a reporter for a while and print its usage."""
    reporting.start(**QUIET)
    assert reporting.process
    pid = reporting.process.pid
    wait_until(lambda: False, SETTLING_SECONDS)
    before = spent(pid)
    wait_until(lambda: False, seconds, seconds / 10)
    share = (spent(pid) - before) / NANOSECONDS / seconds
    writes = len(reporting.server.writes())
    used = usage(pid)
    held = f"{used.resident / MIB:.1f} MiB RSS (peak {used.peak / MIB:.1f})"
    said = f"{what}: {held}, {share:.2%} of a core over {seconds:.0f} s"
    print(f"{said}, {writes} writes", flush=True)  # noqa: T201  # figures are for people
    reporting.end()


def nothing(_: Reporting) -> None:
    """An agent without activity."""


def fill(reporting: Reporting) -> None:
    """Put many files into the workspace."""
    for number in range(0, FILES, PER_FOLDER):
        folder = reporting.folder / "workspace" / str(number)
        folder.mkdir()
        for inner in range(PER_FOLDER):
            os.close(os.open(folder / str(inner), os.O_CREAT))


def flood(reporting: Reporting) -> None:
    """Write very many events at once."""
    (reporting.folder / "out/events.jsonl").write_text(f"{EVENT}\n" * MILLION)


def spent(pid: int) -> int:
    """Return the nanoseconds of a core that all of a process's threads have used."""
    return sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat"))


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 60.0)
