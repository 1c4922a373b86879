"""Who descends from a command, as /proc tells it: its group, its session, their children, and who left them for this process."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MARK = "RUNWARDEN_CONSULTATION"
"""The variable that a command's descendants inherit, so that one that has left its group and its parent is still known."""
PR_SET_CHILD_SUBREAPER = 36
PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class ProcessInfo:
    """A process, or what is left of one that nobody has reaped."""

    pid: int
    parent: int
    group: int
    session: int
    dead: bool


def adopt_orphans() -> None:
    """Have every orphan among this process's descendants become its child, rather than init's."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), "prctl(PR_SET_CHILD_SUBREAPER)")


def list_processes() -> Iterator[ProcessInfo]:
    """Read every process that can be seen."""
    for name in os.listdir(PROC):
        if name.isdecimal():
            # It may be gone by now.
            with suppress(OSError):
                yield _read(int(name), (PROC / name / "stat").read_bytes())


def mark_of(pid: int) -> str | None:
    """Return the mark that a process inherited; None where it has none, has erased it, or may not be looked at."""
    try:
        variables = (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return None
    prefix = f"{MARK}=".encode()
    return next((found.removeprefix(prefix).decode(errors="replace") for found in variables if found.startswith(prefix)), None)


def family(leader: int, people: Iterable[ProcessInfo], adopted: Callable[[ProcessInfo], bool]) -> dict[int, ProcessInfo]:
    """Return a leader's family without itself; `adopted` knows orphans that belong to it."""
    children: dict[int, list[ProcessInfo]] = {}
    found: dict[int, ProcessInfo] = {}
    for one in people:
        children.setdefault(one.parent, []).append(one)
        if one.pid != leader and (leader in {one.group, one.session} or adopted(one)):
            found[one.pid] = one
    todo = [leader, *found]
    while todo:
        for child in children.get(todo.pop(), ()):
            if child.pid not in found and child.pid != leader:
                found[child.pid] = child
                todo.append(child.pid)
    return found


def _read(pid: int, stat: bytes) -> ProcessInfo:
    """Read a line of /proc/PID/stat; the name in brackets may hold anything."""
    state, parent, group, session = stat.rpartition(b")")[2].split()[:4]
    return ProcessInfo(pid, int(parent), int(group), int(session), state in {b"Z", b"X"})
