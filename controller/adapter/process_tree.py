"""The descendants of a command according to /proc: its group, its session, their children, and orphans adopted by this process."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MARK = "RUNWATCHMAN_CONSULTATION"
"""Environment variable that a command's descendants inherit. It identifies those that have left their group and parent."""
PR_SET_CHILD_SUBREAPER = 36
PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class ProcessInfo:
    """A process, or a zombie that nobody has reaped."""

    pid: int
    parent: int
    group: int
    session: int
    dead: bool


def adopt_orphans() -> None:
    """Make this process the parent of all orphans among its descendants, instead of init."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), "prctl(PR_SET_CHILD_SUBREAPER)")


def list_processes() -> Iterator[ProcessInfo]:
    """Yield all visible processes."""
    for name in os.listdir(PROC):
        if name.isdecimal():
            # The process may have ended meanwhile.
            with suppress(OSError):
                yield _read(int(name), (PROC / name / "stat").read_bytes())


def mark_of(pid: int) -> str | None:
    """Return the mark that a process inherited. None if it has none, has erased it, or may not be read."""
    try:
        variables = (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return None
    prefix = f"{MARK}=".encode()
    return next((one.removeprefix(prefix).decode(errors="replace") for one in variables if one.startswith(prefix)), None)


def family(leader: int, processes: Iterable[ProcessInfo], adopted: Callable[[ProcessInfo], bool]) -> dict[int, ProcessInfo]:
    """Return a leader's descendants by PID, without itself. `adopted` decides whether an orphan is one of them."""
    children: dict[int, list[ProcessInfo]] = {}
    members: dict[int, ProcessInfo] = {}
    for one in processes:
        children.setdefault(one.parent, []).append(one)
        if one.pid != leader and (leader in {one.group, one.session} or adopted(one)):
            members[one.pid] = one
    todo = [leader, *members]
    while todo:
        for child in children.get(todo.pop(), ()):
            if child.pid not in members and child.pid != leader:
                members[child.pid] = child
                todo.append(child.pid)
    return members


def _read(pid: int, stat: bytes) -> ProcessInfo:
    """Parse a line of /proc/PID/stat. The name in brackets may contain any characters."""
    state, parent, group, session = stat.rpartition(b")")[2].split()[:4]
    return ProcessInfo(pid, int(parent), int(group), int(session), state in {b"Z", b"X"})
