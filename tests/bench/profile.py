"""The CPU profile of a process: sampled by py-spy from outside, so that the measured program is the users'."""

from __future__ import annotations

import signal
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

RATE = 200
"""Samples a second."""
LINE_NUMBER = ":"
PERCENT = 100


@contextmanager
def recording(to: Path, pid: int) -> Iterator[None]:
    """Sample a working process while the context lasts; write folded stacks: one line per stack, with its number of samples."""
    command = [
        "py-spy",
        "record",
        "--pid",
        str(pid),
        "--rate",
        str(RATE),
        "--format",
        "raw",
        "--output",
        str(to),
        "--duration",
        "unlimited",
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as spy:
        yield
        spy.send_signal(signal.SIGINT)


def hottest(stacks: Iterable[str], top: int) -> list[str]:
    """Return a table of the functions with most samples: by themselves, and with their callees."""
    own, whole = counted(stacks)
    total = sum(own.values()) or 1
    shown = dict.fromkeys([name for name, _ in whole.most_common(top)] + [name for name, _ in own.most_common(top)])
    lines = ["| function | own % | with what it calls % |", "|---|---|---|"]
    ordered = sorted(shown, key=lambda name: -whole[name])
    return lines + [f"| {name} | {own[name] / total * PERCENT:.1f} | {whole[name] / total * PERCENT:.1f} |" for name in ordered]


def counted(stacks: Iterable[str]) -> tuple[Counter[str], Counter[str]]:
    """Return each function's samples by itself, and with its callees; recursion counts once."""
    own: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    for line in stacks:
        stack, _, times = line.rstrip().rpartition(" ")
        frames = [frame.rpartition(LINE_NUMBER)[0] or frame for frame in stack.split(";")]
        own[frames[-1]] += int(times)
        for frame in set(frames):
            whole[frame] += int(times)
    return own, whole
