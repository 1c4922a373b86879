"""The cost of processes, from /proc: a process with all of its descendants."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import Cluster
from tests.cluster.processes import Record

TICKS = os.sysconf("SC_CLK_TCK")
KIB = 1024
PARENT, CPU_TIMES = 1, slice(11, 15)
"""Fields of /proc/PID/stat, counted from behind the command's closing parenthesis: the parent; user and system time, its own and
that of children that have ended and were waited for."""
RESET_PEAK = "5"


@dataclass(frozen=True, slots=True)
class Usage:
    """The usage of a process tree: CPU seconds since its start, with ended children; bytes of current and of peak memory."""

    cpu: float
    resident: int
    peak: int


def usage(pid: int) -> Usage:
    """Return the usage of a process and its descendants. The peak is the sum of each one's, so it is an upper bound."""
    cpu, resident, peak = 0.0, 0, 0
    for each in tree(pid):
        try:
            fields, memory = _stat(each), _memory(each)
        except OSError:
            continue  # It has just ended: its parent's stat includes it next time.
        cpu += sum(int(field) for field in fields[CPU_TIMES]) / TICKS
        resident += memory.get("VmRSS", 0)
        peak += memory.get("VmHWM", 0)
    return Usage(cpu, resident, peak)


def reset_peak(pid: int) -> None:
    """Reset the memory peaks of a process tree to its current values."""
    for each in tree(pid):
        Path(f"/proc/{each}/clear_refs").write_text(RESET_PEAK)


def tree(pid: int) -> list[int]:
    """Return a process and all of its descendants."""
    children: dict[int, list[int]] = defaultdict(list)
    for path in Path("/proc").glob("[0-9]*"):
        try:
            children[int(_stat(int(path.name))[PARENT])].append(int(path.name))
        except OSError:
            continue
    found = [pid]
    for each in found:
        found += children[each]
    return found


def part(cluster: Cluster, name: str) -> int:
    """Return the process of a component of an `api` cluster: kube-apiserver, etcd and the like."""
    return next(int(entry["pid"]) for entry in Record(cluster.directory / "processes").entries() if entry["name"] == name)


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _memory(pid: int) -> dict[str, int]:
    """Return the values in KiB, in bytes."""
    lines = (line.partition(":") for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {name: int(value.split()[0]) * KIB for name, _, value in lines if value.endswith(" kB")}
