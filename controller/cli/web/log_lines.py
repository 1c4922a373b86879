"""Pure: a log as it comes, in lines that are safe to show. A slow reader gets the last ones, and the number of the others."""

from __future__ import annotations

from collections import deque

from controller.cli.rw.terminal_safe import clean

MOST_LINES = 1_000
"""Maximum lines between two deliveries."""

LONGEST = 4_000
"""Maximum characters of a line; the rest is cut."""

LONGEST_BYTES = 4 * LONGEST
"""Bytes of a line after which it is cut, however it goes on."""


class LogLines:
    """Takes bytes, and returns lines. It never keeps more than MOST_LINES of them."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=MOST_LINES)
        self._seen = 0
        self._rest = b""
        self._skipping = False

    def feed(self, part: bytes) -> None:
        """Take the next bytes."""
        *whole, rest = part.split(b"\n")
        for line in whole:
            self._end_line(self._rest + line)
            self._rest, self._skipping = b"", False
        if not self._skipping:
            self._rest += rest
        if len(self._rest) > LONGEST_BYTES:
            self._end_line(self._rest)
            self._rest, self._skipping = b"", True

    @property
    def pending(self) -> bool:
        """Whether there are lines that nobody has taken."""
        return bool(self._lines)

    def finish(self) -> None:
        """Take a last line that does not end."""
        if self._rest:
            self._end_line(self._rest)
        self._rest = b""

    def take(self) -> tuple[int, list[str]]:
        """Return how many lines are left out, and the lines since the last call."""
        lines = list(self._lines)
        left_out, self._seen = self._seen - len(lines), 0
        self._lines.clear()
        return left_out, lines

    def _end_line(self, line: bytes) -> None:
        if self._skipping:
            return
        text = clean(line[: LONGEST_BYTES + 1].decode(errors="replace").removesuffix("\r"))
        self._lines.append(text if len(text) <= LONGEST else text[: LONGEST - 1] + "…")
        self._seen += 1
