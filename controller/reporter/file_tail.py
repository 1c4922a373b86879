"""Follows a file that a hostile agent writes, with bounded reads of whole lines.

It keeps the file open, so that data written before the file was deleted or replaced is still read.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

CHUNK = 64 * 1024
FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
"""Flags for opening the file: a symlink is refused, a FIFO does not block. The file type is checked after opening."""

BLANK = b" \t\n\r\v\f\0"
"""Bytes of lines that have nothing to read; a line feed in UTF-16 leaves zeros behind."""

ReportProblem = Callable[[str, str], None]
"""Receives a problem: its kind and its text."""


class Tail:
    """The lines of one file, in order, each once. `grew` shows whether the last read returned new data."""

    def __init__(self, path: Path, max_line: int, report_problem: ReportProblem) -> None:
        self._path, self._max_line, self._report_problem = path, max_line, report_problem
        self._file: int | None = None
        self._offset = 0
        self._part = bytearray()
        self._skipping = False
        self.grew = False

    def read(self, budget: int) -> Iterator[bytes]:
        """Yield the lines that were completed since the last read, reading at most `budget` bytes."""
        self.grew = False
        if self._file is None:
            self._open()
        if self._file is not None:
            left = yield from self._lines(self._file, budget)
            if left and self._replaced(self._file):
                self._close()

    def skip_to_the_last(self, size: int) -> None:
        """Skip all but the last `size` unread bytes: at the end of the pod, the most recent lines matter."""
        if self._file is None:
            self._open()
        if self._file is not None and (end := os.fstat(self._file).st_size - size) > self._offset:
            self._note("skipped", f"{end - self._offset} bytes were skipped: more was written than could be read")
            self._offset = end
            self._skipping = True
            self._part.clear()

    def rest(self) -> Iterator[bytes]:
        """Yield the text after the last newline: at the end of the pod, nothing can complete it."""
        if self._part.strip(BLANK) and not self._skipping:
            yield bytes(self._part)
        self._part.clear()

    def _lines(self, file: int, budget: int) -> Generator[bytes, None, int]:
        """Yield lines; return the rest of the budget, 0 if there may be more to read."""
        self._check_length(file)
        while budget > 0:
            chunk = os.pread(file, min(CHUNK, budget), self._offset)
            if not chunk:
                break
            self.grew = True
            self._offset += len(chunk)
            budget -= len(chunk)
            yield from self._split(chunk)
        return budget

    def _split(self, chunk: bytes) -> Iterator[bytes]:
        start = 0
        while (end := chunk.find(b"\n", start)) >= 0:
            self._add(chunk[start:end])
            if not self._skipping and self._part.strip(BLANK):
                yield bytes(self._part)
            self._part.clear()
            self._skipping = False
            start = end + 1
        self._add(chunk[start:])

    def _add(self, part: bytes) -> None:
        if not self._skipping and len(self._part) + len(part) > self._max_line:
            self._note("long", f"a line is longer than {self._max_line} bytes and was skipped")
            self._skipping = True
            self._part.clear()
        if not self._skipping:
            self._part += part

    def _check_length(self, file: int) -> None:
        if os.fstat(file).st_size < self._offset:
            self._note("cut", "was truncated; reading restarts from its beginning")
            self._begin()

    def _begin(self) -> None:
        self._offset = 0
        self._skipping = False
        self._part.clear()

    def _open(self) -> None:
        self._begin()
        try:
            file = os.open(self._path, FLAGS)
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno == errno.ELOOP:
                self._note("link", "is a symlink")
            else:
                self._note("unreadable", f"cannot be read: {error.strerror}")
            return
        if stat.S_ISREG(os.fstat(file).st_mode):
            self._file = file
        else:
            self._note("no file", "is not a regular file")
            os.close(file)

    def _replaced(self, file: int) -> bool:
        """Whether the path no longer leads to the open file, which has been read completely by now."""
        held = os.fstat(file)
        try:
            there = os.stat(self._path, follow_symlinks=False)
        except OSError:
            self._note("deleted", "was deleted; append to it instead")
            return True
        if (there.st_dev, there.st_ino) == (held.st_dev, held.st_ino):
            return False
        self._note("replaced", "was replaced; reading restarts from its beginning, append to it instead")
        return True

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _note(self, kind: str, text: str) -> None:
        self._report_problem(f"{self._path.name} {kind}", f"{self._path.name} {text}")
