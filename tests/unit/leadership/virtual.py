"""An event loop whose clock jumps to the next timer: minutes of Leases pass at once, and deterministically."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any


class Moments(selectors.SelectSelector):
    """A selector that never waits: it advances the clock by the time that the loop would wait."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Advance the clock by the time that the loop would wait."""
        if timeout is None:
            raise AssertionError("everybody waits, and for nothing")
        self.now += max(0.0, timeout)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop with that clock."""

    def __init__(self) -> None:
        self._moments = Moments()
        super().__init__(self._moments)

    def time(self) -> float:
        """Return the virtual time."""
        return self._moments.now


def monotonic() -> float:
    """Return the virtual time, as `time.monotonic` would."""
    return asyncio.get_running_loop().time()


def play(scene: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine to its end on a loop of its own."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(scene)
