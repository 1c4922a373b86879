"""The digest of a failure, of an attempt or of a verification: two failures with the same digest are the same failure.

Whatever differs between two equal failures is left out of the output: colours, times, durations, numbers, hexadecimal names and
temporary paths. The digest only decides whether a human is asked sooner, so it may be coarse.
"""

from __future__ import annotations

import hashlib
import re

_COLOURS = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
"""Control sequences of a terminal (ECMA-48 CSI)."""

_LEFT_OUT = (
    re.compile(r"(?:/tmp|/var/tmp|/private/var/folders)/[^\s:'\",)\]]*"),
    re.compile(r"\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun|Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\b"),
    re.compile(r"\b0x[0-9a-fA-F]+\b"),
    re.compile(r"\b(?=[0-9a-fA-F-]*[0-9])[0-9a-fA-F]{7,}(?:-[0-9a-fA-F]{4,})*\b"),
    re.compile(r"\d+(?:[.,:]\d+)*\s*(?:ns|us|µs|ms|s|m|h|secs?|seconds?|mins?|minutes?|hours?)\b"),
    re.compile(r"\d+"),
)
"""Temporary paths, names of days and months, hexadecimal numbers, identifiers and commits, durations, and every other number."""

_RULER = re.compile(r"([-=_.*#~])\1{2,}")
"""A line drawn with one character: programs draw it as long as the rest of the line leaves space."""


def failure_digest(exit_code: int | None, output: str) -> str:
    """Return the SHA-256 (hex) of a failed verification: its exit code, None if it was ended by its time limit, and its normalised
    output.
    """
    return _digest(str(exit_code), normalised(output))


def attempt_digest(reason: str, exit_code: int | None, last_words: str) -> str:
    """Return the SHA-256 (hex) of a failed attempt: its reason, its exit code, None without one, and its normalised last words."""
    return _digest(reason, str(exit_code), normalised(last_words, LOG_CUT_BYTES, LOG_CUT_LINES))


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


CUT_BYTES = 3900
"""Size from which an output counts as the end of a longer one: the wrapper of the command keeps its last 4,000 bytes."""

LOG_CUT_BYTES, LOG_CUT_LINES = 2000, 80
"""The same for last words that the kubelet took from a log: it keeps the last 2,048 bytes and 80 lines (FallbackToLogsOnError)."""


def normalised(output: str, cut_bytes: int = CUT_BYTES, cut_lines: int | None = None) -> str:
    """Return the words of an output that two equal failures share, one line each; lines without any are left out.

    Of an output that was cut only the last lines count: where it was cut depends on all that came before.
    """
    plain = _COLOURS.sub("", output).splitlines()
    lines = [line for line in map(_words, plain) if line]
    was_cut = len(output.encode()) >= cut_bytes or (cut_lines is not None and len(plain) >= cut_lines)
    return "\n".join(lines[-KEPT_LINES:] if was_cut else lines)


KEPT_LINES = 12
"""Lines that are compared of an output that was cut: they are complete, unless they are very long."""


def _words(line: str) -> str:
    for pattern in _LEFT_OUT:
        line = pattern.sub("N", line)
    return " ".join(_RULER.sub(r"\1\1\1", line).split())
