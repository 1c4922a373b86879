"""How many of the machine's cores are busy, by the kernel's counters."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.procfs import TICKS

IDLE = slice(3, 5)
"""Idle and waiting for a disk, among the numbers of the first line of /proc/stat."""
COUNTED = slice(0, 8)
"""Without the time of guests, which is also in another number."""
DIGITS = 2


@contextmanager
def busy() -> Iterator[Callable[[], float]]:
    """Return a function with the mean number of busy cores from the context's begin to its end."""
    begun, before = time.monotonic(), _worked()
    ended: list[float] = []
    try:
        yield lambda: ended[0]
    finally:
        ended.append(round((_worked() - before) / (time.monotonic() - begun), DIGITS))


def _worked() -> float:
    numbers = [int(each) for each in Path("/proc/stat").read_text().splitlines()[0].split()[1:]][COUNTED]
    return (sum(numbers) - sum(numbers[IDLE])) / TICKS
