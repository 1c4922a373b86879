"""Processes that outlive a call: recorded at their start, and ended only if that very process still runs."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.progress import ClusterError

STOP_SECONDS = 10.0
LONGEST_PAUSE = 0.5
"""Maximum seconds between two looks at an awaited condition: some last no longer than a second."""
_STARTED: list[subprocess.Popen[bytes]] = []
"""Keeps our children's handles: Python warns if one is dropped while its process runs."""

PR_SET_PDEATHSIG = 1
START_TIME_FIELD = 19
"""Field of /proc/PID/stat, counted from behind the command's closing parenthesis: the start time in ticks since boot."""


def start_time(pid: int) -> str | None:
    """Return the start time, which distinguishes a process from a later one with the same ID; None if it does not exist or is a
    zombie.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[START_TIME_FIELD]


def interrupt_on_signals() -> None:
    """Have SIGINT and SIGTERM end this process by KeyboardInterrupt, so that it cleans up."""
    for number in (signal.SIGINT, signal.SIGTERM):  # A shell has its jobs in the background ignore the first.
        signal.signal(number, signal.default_int_handler)


@dataclass(frozen=True, slots=True)
class Record:
    """The processes of one cluster, in its folder; a later run cleans up by this file."""

    path: Path

    def add(self, name: str, pid: int) -> None:
        """Remember a process."""
        with self.path.open("a") as handle:
            handle.write(json.dumps({"name": name, "pid": pid, "start": start_time(pid)}) + "\n")

    def entries(self) -> list[dict[str, str]]:
        """Return the processes, the latest first."""
        if not self.path.exists():
            return []
        return [json.loads(line) for line in reversed(self.path.read_text().splitlines())]

    def stop_all(self) -> None:
        """End every process of the record that is still the one that was started."""
        for entry in self.entries():
            stop(int(entry["pid"]), entry["start"])
        self.path.unlink(missing_ok=True)


def start(record: Record, name: str, command: list[str], log: Path, *, keep: bool, env: dict[str, str] | None = None) -> int:
    """Start a process that logs to a file; unless it is to be kept, it ends with this one. Return its ID."""
    with log.open("ab") as output:
        process = subprocess.Popen(  # our own tools
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=env,
            start_new_session=True,
            preexec_fn=None if keep else _die_with_parent,  # noqa: PLW1509  # no threads run yet
        )
    _STARTED.append(process)
    record.add(name, process.pid)
    return process.pid


def stop(pid: int, started: str | None) -> None:
    """End the process with this ID and start time: TERM, and KILL if that does not help."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if started is None or start_time(pid) != started:
            return
        os.kill(pid, number)
        if wait_until(lambda: _reap(pid) or start_time(pid) != started, STOP_SECONDS):
            return


def wait_until(condition: Callable[[], object], seconds: float, interval: float = 0.1) -> bool:
    """Wait for a condition; return whether it became true in time.

    This is the one place that sleeps: the awaited conditions have no event. Each look costs CPU that the awaited program needs,
    too, so a wait that has lasted long looks less often, and lasts a thirtieth longer at most.
    """
    begun = time.monotonic()
    while not condition():
        waited = time.monotonic() - begun
        if waited > seconds:
            return False
        # The one poll of all tests: what other programs do sends us no event.
        time.sleep(max(interval, min(waited / 30, LONGEST_PAUSE)))
    return True


def run(
    command: list[str],
    *,
    log: Path | None = None,
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
    record: Record | None = None,
) -> str:
    """Run a command to its end and return its output; with a record a later cleanup can end it.

    Raises ClusterError with the end of its output if it fails.
    """
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=env, cwd=cwd, stdout=pipe, stderr=pipe, text=True, errors="replace") as process:
        if record:
            record.add(command[0], process.pid)
        stdout, stderr = process.communicate()
    done = subprocess.CompletedProcess(command, process.returncode, stdout, stderr)
    if log is not None:
        with log.open("a") as handle:
            handle.write(f"$ {' '.join(command)}\n{done.stdout}{done.stderr}\n")
    if done.returncode != 0:
        tail = (done.stdout + done.stderr)[-1500:]
        raise ClusterError(f"{' '.join(command[:6])} failed ({done.returncode}):\n{tail}{f'(more in {log})' if log else ''}")
    return done.stdout


def _reap(pid: int) -> bool:
    """Whether a child of ours has ended; its handle is updated, so that Python does not warn about it."""
    return any(process.poll() is not None for process in _STARTED if process.pid == pid)


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
