"""Progress messages for slow work, and locks between runs."""

from __future__ import annotations

import fcntl
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STARTED = time.monotonic()


class ClusterError(Exception):
    """A cluster could not be created; the message names the component and the remedy."""


def say(text: str) -> None:
    """Print one line of progress with the seconds since the start."""
    print(f"[{time.monotonic() - STARTED:5.0f} s] {text}", file=sys.stderr, flush=True)  # noqa: T201  # progress is for people


@contextmanager
def taking(what: str, expected: str = "") -> Iterator[None]:
    """Print the start of some work with its usual duration, and its end."""
    say(f"{what}{f' (usually {expected})' if expected else ''} ...")
    begun = time.monotonic()
    yield
    say(f"{what}: done in {time.monotonic() - begun:.0f} s")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a file lock: of two runs on one machine, one builds and the other waits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
