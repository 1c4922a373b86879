"""Detects changes in the workspace at a bounded cost: a limited number of entries per sample, and one number per scan.

A scan sums the hashes of all entries. Two scans with the same sum found the same tree. No data of single files is kept, and times
are only compared for equality, so no clock matters.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

ENTRIES_PER_SAMPLE = 2000
PASS_SECONDS = 10.0
"""Minimum time between two scans of a small tree."""

MAX_DEPTH = 64
"""Maximum depth of folders that are scanned; each level holds a file descriptor."""

FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
MASK = (1 << 64) - 1


class Workspace:
    """Scans the workspace repeatedly, a few entries at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._walk: Iterator[int] | None = None
        self._sum = 0
        self._former: int | None = None
        self._rest_until = 0.0

    def changed(self, now: float) -> bool:
        """Continue for a bounded number of entries; return whether a scan ended that differs from the previous one."""
        if self._walk is None:
            if now < self._rest_until:
                return False
            self._walk, self._sum, self._rest_until = _walk(self._path), 0, now + PASS_SECONDS
        for _ in range(ENTRIES_PER_SAMPLE):
            seen = next(self._walk, None)
            if seen is None:
                return self._finish()
            self._sum = (self._sum + seen) & MASK
        return False

    def _finish(self) -> bool:
        former, self._former, self._walk = self._former, self._sum, None
        return former is not None and former != self._sum


def _walk(path: Path) -> Iterator[int]:
    """Yield a hash of every entry below a folder; unreadable folders are skipped."""
    try:
        root = os.open(path, FLAGS)
    except OSError:
        return
    yield from _folder(root, 1)


def _folder(folder: int, depth: int) -> Iterator[int]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    found = entry.stat(follow_symlinks=False)
                except OSError:
                    continue
                yield hash((found.st_ino, found.st_ctime_ns, found.st_size))
                if stat.S_ISDIR(found.st_mode) and depth < MAX_DEPTH:
                    yield from _below(folder, entry.name, depth)
    except OSError:
        return
    finally:
        os.close(folder)


def _below(folder: int, name: str, depth: int) -> Iterator[int]:
    try:
        inner = os.open(name, FLAGS, dir_fd=folder)
    except OSError:
        return
    yield from _folder(inner, depth + 1)
